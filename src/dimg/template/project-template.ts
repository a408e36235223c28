import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { SlipwayError } from '../../errors.ts';
import type { Value } from './functions.ts';
import { renderTemplate, type TemplateFile } from './render.ts';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TEMPLATES = 1000;

/**
 * Renders a project's configuration: with `env`, with `.Files.Get` for files of the project, and
 * with the templates of `.werf/` by their paths in it.
 *
 * @throws SlipwayError `CONFIG_INVALID` with file and line, `FILE_NOT_FOUND`
 */
export function renderProject(
  folder: string,
  file: string,
  text: string,
  env: NodeJS.ProcessEnv,
): string {
  const get = (path: Value): string => readInside(folder, String(path));
  const data = new Map<string, Value>([['Files', new Map([['Get', get]])]]);
  return renderTemplate({ file, name: '', text }, templatesIn(folder), data, {
    env: (name) => env[String(name)] ?? '',
    'Files.Get': get,
  });
}

function templatesIn(folder: string): readonly TemplateFile[] {
  const root = join(folder, '.werf');
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.tmpl'))
    .map((name) => name.split(sep).join('/'))
    .sort();
  if (names.length > MAX_TEMPLATES) {
    throw new SlipwayError('LIMIT_EXCEEDED', `${root} has more than ${MAX_TEMPLATES} templates`);
  }
  return names.map((name) => {
    const text = readInside(folder, join('.werf', name));
    return { file: join(root, name), name, text };
  });
}

/** A configuration mustn't read what isn't the project's, also not through a link. */
function readInside(folder: string, path: string): string {
  const full = join(folder, path);
  const unreadable = (why: string) =>
    new SlipwayError('FILE_NOT_FOUND', `${JSON.stringify(path.slice(0, 300))} ${why}`, {
      path: full,
      hint: 'templates read regular files of the project, of at most 1 MiB',
    });
  let real: string;
  try {
    real = realpathSync(full);
  } catch {
    throw unreadable("isn't there");
  }
  const inside = relative(realpathSync(folder), real);
  if (inside.startsWith('..') || isAbsolute(inside) || path.includes('\0')) {
    throw unreadable('is not in the project');
  }
  const found = statSync(real);
  if (!found.isFile() || found.size > MAX_FILE_BYTES) throw unreadable('is no such file');
  return readFileSync(real, 'utf8');
}
