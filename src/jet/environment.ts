import { isUtf8 } from 'node:buffer';
import { resolve } from 'node:path';
import { keepSecret } from '../bytes/secrets.ts';
import { isSlipwayError } from '../errors.ts';
import { envFileLines } from '../run/env-file.ts';
import type { VariableWords } from './definition.ts';
import type { Value } from './document.ts';
import { decrypt } from './encryption.ts';
import { readProjectFile } from './project-file.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Of one secret, that are hidden each: not so many that others are forgotten. */
const MOST_LINES = 100;

/** What is needed to find values. */
export interface VariableSources {
  /** the project's folder */
  readonly dir: string;
  /** values of names without one: the build's own variables, then our environment */
  readonly ours: Readonly<Record<string, string | undefined>>;
  key(): Promise<Buffer>;
}

/** A variable; a secret one goes into no argument of a program. */
export interface Variable {
  readonly value: string;
  readonly isSecret: boolean;
}

/**
 * The variables that a service or build names, later kinds over earlier ones: plain, encrypted, of
 * files, of encrypted files. Secret ones are hidden in all that is shown from now on.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`; no value is ever shown
 */
export async function findVariables(
  words: VariableWords,
  { dir, ours, key }: VariableSources,
): Promise<ReadonlyMap<string, Variable>> {
  const all = new Map<string, Variable>();
  const addLines = (text: string, where: Value, isSecret: boolean): void => {
    for (const { word, line } of envFileLines(text)) {
      const [name = ''] = word.split('=', 1);
      if (!/^[^\s=]+$/.test(name) || !word.includes('=')) {
        throw where.wrong(
          `holds something else than NAME=VALUE in line ${line} of its content`,
          isSecret ? 'the key may be a wrong one' : undefined,
        );
      }
      const value = word.slice(name.length + 1);
      if (isSecret) addSecret(name, value);
      else all.set(name, { value, isSecret });
    }
  };
  const decrypted = async (text: string, where: Value): Promise<string> => {
    let bytes: Buffer;
    try {
      bytes = decrypt(text, await key(), where.field);
    } catch (error) {
      if (!isSlipwayError(error, 'CONFIG_INVALID')) throw error;
      throw where.wrong(error.message.replace(`${where.field} `, ''), error.hint);
    }
    // Of another key it is rubbish, which nothing else would notice.
    if (isUtf8(bytes)) return bytes.toString('utf8');
    throw where.wrong('holds no text', 'it may be encrypted with another key');
  };
  const addSecret = (name: string, value: string): void => {
    // What is shown is shown line by line.
    keepSecret(value, ...value.split(/\r?\n/, MOST_LINES).map((line) => line.trim()));
    all.set(name, { value, isSecret: true });
  };
  for (const { name, value = ours[name] } of words.plain) {
    if (value !== undefined) all.set(name, { value, isSecret: false });
  }
  for (const { name, value, text } of words.encrypted) {
    const plain = await decrypted(text, value);
    if (name === undefined) addLines(plain, value, true);
    else addSecret(name, plain);
  }
  for (const file of words.files) {
    addLines((await readPath(dir, file)).toString('utf8'), file, false);
  }
  for (const file of words.encryptedFiles) {
    const text = (await readPath(dir, file)).toString('latin1');
    addLines(await decrypted(text, file), file, true);
  }
  return all;
}

/** A file that a field names, from the project's folder. */
export async function readPath(dir: string, path: Value): Promise<Buffer> {
  try {
    return await readProjectFile(resolve(dir, path.text()), MAX_FILE_BYTES, path.text());
  } catch (error) {
    if (!isSlipwayError(error, 'FILE_NOT_FOUND', 'CONFIG_INVALID', 'LIMIT_EXCEEDED')) throw error;
    throw path.wrong(`can't be read: ${error.message}`);
  }
}
