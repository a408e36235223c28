import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { SlipwayError } from '../errors.ts';

const HELPER_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * Finds the program of a credential helper, `docker-credential-NAME`, in the absolute folders of
 * PATH. What others can write is not run.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function helperProgram(name: string, searchPath = ''): Promise<string> {
  if (!HELPER_NAME.test(name)) {
    throw refused('a credential helper of the docker config has a name that none can have', {
      hint: 'credsStore and credHelpers take names like ecr-login, which stands for the program docker-credential-ecr-login',
    });
  }
  const file = `docker-credential-${name}${process.platform === 'win32' ? '.exe' : ''}`;
  // An empty or relative entry means a folder that whoever made the working folder chose.
  for (const folder of searchPath.split(delimiter).filter(isAbsolute)) {
    const program = join(folder, file);
    if (!(await isProgram(program))) continue;
    await refuseWritable(program, file);
    return program;
  }
  throw refused(`the credential helper ${file} isn't there`, {
    hint: `install it, or take it out of credsStore and credHelpers in the docker config; it is looked for in the absolute folders of PATH`,
  });
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** The file, the folder that it was found in, and where a link leads. */
async function refuseWritable(program: string, file: string): Promise<void> {
  if (process.platform === 'win32') return;
  const real = await realpath(program);
  for (const path of new Set([real, dirname(real), dirname(program)])) {
    if (((await stat(path)).mode & 0o002) === 0) continue;
    throw refused(`the credential helper ${file} is not run: others can write ${path}`, {
      path,
      hint: `mend it with chmod o-w, or install the helper elsewhere`,
    });
  }
}

function refused(
  message: string,
  facts: { readonly hint: string; readonly path?: string },
): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', message, facts);
}
