import { basename } from 'node:path';
import { LineCounter, parseDocument, visit } from 'yaml';
import { SlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import type { MakeSettings } from './settings.ts';
import { checkSettings } from './settings-check.ts';

/**
 * The settings of a text of YAML.
 *
 * @param path of its file, for errors
 * @throws SlipwayError `CONFIG_INVALID` with line and column
 */
export function parseMakeSettings(text: string, path: string): MakeSettings {
  const file = basename(path);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return file;
    const { line, col } = lineCounter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [problem] = document.errors;
  if (problem !== undefined) throw invalid(path, at(problem.pos[0]), problem.message);
  visit(document, {
    Alias: (_, { range }) => {
      throw invalid(path, at(range?.[0]), 'aliases are not taken');
    },
  });
  const where = (keys: readonly (string | number)[]): string => {
    const node = document.getIn(['make', ...keys], true) as { range?: [number] } | undefined;
    return at(node?.range?.[0]);
  };
  const settings = document.toJS() as unknown;
  if (settings === null) return {};
  if (!isJsonObject(settings)) throw invalid(path, file, 'is no mapping');
  const { make } = settings;
  if (make === undefined || make === null) return {};
  return checkSettings(make, (keys, message) => invalid(path, where(keys), message));
}

function invalid(path: string, where: string, message: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${where}: ${message}`, {
    path,
    hint: 'docs/slipway.schema.json says what may stand there',
  });
}
