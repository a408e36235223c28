import type { SlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import { ARCHITECTURES } from './architectures.ts';
import type { MakeSettings } from './settings.ts';

/** Makes the error for what stands at some place of the settings. */
export type Refuse = (keys: readonly (string | number)[], message: string) => SlipwayError;

const TEXTS = ['name', 'organisation', 'registry', 'test', 'shell'] as const;
const SOURCES = ['label', 'env', 'file', 'command', 'package', 'github', 'git', 'packageJson'];
const LEGACY: readonly unknown[] = [true, false, 2019];
const KEYS: readonly string[] = [
  ...TEXTS,
  'version',
  'architectures',
  'variables',
  'tags',
  'lists',
  'legacy',
];

/** Checks what stands under `make:`; throws what `refuse` makes. */
export function checkSettings(make: unknown, refuse: Refuse): MakeSettings {
  if (!isJsonObject(make)) throw refuse([], 'make is no mapping');
  knownKeys(make, KEYS, [], refuse);
  for (const key of TEXTS) checkText(make[key], [key], refuse);
  if (make.legacy !== undefined && !LEGACY.includes(make.legacy)) {
    throw refuse(['legacy'], `legacy is none of ${LEGACY.join(', ')}`);
  }
  const version = checkVersion(make.version, refuse);
  checkArchitectures(make.architectures, refuse);
  const variables = checkVariables(make.variables, refuse);
  checkTexts(make.tags, 'tags', ['arch', 'version', 'date'], refuse);
  checkTexts(make.lists, 'lists', ['latest', 'version', 'date'], refuse);
  return {
    ...(make as MakeSettings),
    ...(variables === undefined ? {} : { variables }),
    ...(version === undefined ? {} : { version }),
  };
}

function checkVersion(version: unknown, refuse: Refuse): MakeSettings['version'] {
  if (version === undefined || typeof version === 'string') return version;
  // An unquoted 3.10 would have become 3.1.
  if (typeof version === 'number') throw refuse(['version'], 'version is a number: quote it');
  if (!isJsonObject(version)) throw refuse(['version'], 'version is neither a text nor a source');
  knownKeys(version, [...SOURCES, 'pattern', 'api'], ['version'], refuse);
  const named = Object.keys(version).filter((key) => SOURCES.includes(key));
  if (named.length !== 1) {
    throw refuse(['version'], `version has to name one of ${SOURCES.join(', ')}`);
  }
  const { command, ...texts } = version;
  const isWords =
    Array.isArray(command) && command.length > 0 && command.every((it) => typeof it === 'string');
  if (!isWords) checkText(command, ['version', 'command'], refuse);
  for (const [key, value] of Object.entries(texts)) checkText(value, ['version', key], refuse);
  if (version.git !== undefined && version.git !== 'describe') {
    throw refuse(['version', 'git'], 'git takes describe');
  }
  if (typeof version.pattern === 'string') checkPattern(version.pattern, refuse);
  return version as unknown as MakeSettings['version'];
}

function checkPattern(pattern: string, refuse: Refuse): void {
  try {
    new RegExp(pattern, 'mu');
  } catch {
    throw refuse(['version', 'pattern'], 'pattern is no regular expression');
  }
}

function checkArchitectures(list: unknown, refuse: Refuse): void {
  if (list === undefined) return;
  if (!Array.isArray(list) || list.length === 0) {
    throw refuse(['architectures'], 'architectures is no list of names');
  }
  for (const [at, name] of list.entries()) {
    if (ARCHITECTURES.some((each) => each.name === name)) continue;
    const known = ARCHITECTURES.map((each) => each.name).join(', ');
    throw refuse(['architectures', at], `${JSON.stringify(name)} is none of ${known}`);
  }
  if (new Set(list).size !== list.length) {
    throw refuse(['architectures'], 'architectures names one twice');
  }
}

function checkVariables(
  variables: unknown,
  refuse: Refuse,
): Readonly<Record<string, string>> | undefined {
  if (variables === undefined) return undefined;
  if (!isJsonObject(variables)) throw refuse(['variables'], 'variables is no mapping');
  for (const [name, value] of Object.entries(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw refuse(['variables'], `${JSON.stringify(name)} is no name of a variable`);
    }
    if (typeof value !== 'string') {
      throw refuse(['variables', name], `${name} is no text: quote it`);
    }
  }
  return variables as Readonly<Record<string, string>>;
}

function checkTexts(value: unknown, key: string, names: readonly string[], refuse: Refuse): void {
  if (value === undefined) return;
  if (!isJsonObject(value)) throw refuse([key], `${key} is no mapping`);
  knownKeys(value, names, [key], refuse);
  for (const [name, text] of Object.entries(value)) checkText(text, [key, name], refuse);
}

function checkText(value: unknown, keys: readonly string[], refuse: Refuse): void {
  if (value === undefined || (typeof value === 'string' && value !== '')) return;
  throw refuse(keys, `${keys.at(-1)} is no text`);
}

function knownKeys(
  value: object,
  known: readonly string[],
  keys: readonly string[],
  refuse: Refuse,
): void {
  const odd = Object.keys(value).find((key) => !known.includes(key));
  if (odd === undefined) return;
  throw refuse([...keys, odd], `${JSON.stringify(odd)} is none of ${known.join(', ')}`);
}
