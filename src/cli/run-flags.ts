import { resolve } from 'node:path';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { envFileLines } from '../run/env-file.ts';

const MAX_ENV_FILE_BYTES = 4 * 1024 * 1024;

/**
 * The variables of `--env-file` and `--env`, as docker reads them: `NAME=VALUE`, or the name of a
 * variable of ours, which is left out if it isn't set. Later ones win.
 *
 * @throws SlipwayError `USAGE`, `FILE_NOT_FOUND`
 */
export async function environment(
  words: readonly string[],
  files: readonly string[],
  ours: NodeJS.ProcessEnv = process.env,
): Promise<readonly string[]> {
  const all: string[] = [];
  for (const file of files) {
    const text = (await collect(readFileBytes(file), MAX_ENV_FILE_BYTES, file)).toString();
    for (const { word, line } of envFileLines(text)) {
      all.push(...variable(word, `${file}, line ${line}`, ours));
    }
  }
  for (const word of words) all.push(...variable(word, '--env', ours));
  return all;
}

function variable(word: string, where: string, ours: NodeJS.ProcessEnv): readonly string[] {
  const [name = ''] = word.split('=', 1);
  if (name === '' || /\s/.test(name)) {
    throw new SlipwayError('USAGE', `${where}: ${JSON.stringify(name)} is no name of a variable`);
  }
  if (word.includes('=')) return [word];
  const value = ours[name];
  return value === undefined ? [] : [`${name}=${value}`];
}

/** `--volume` as the engine takes it: a folder named from here is spelled out. */
export function volumes(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const [source = '', ...rest] = text.split(':');
    const isRelative = source === '.' || source === '..' || /^\.\.?\//.test(source);
    return isRelative ? [resolve(source), ...rest].join(':') : text;
  });
}
