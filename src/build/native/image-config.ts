import type { Digest } from '../../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import type { Platform } from '../../oci/platform.ts';
import type { HealthCheck } from '../dockerfile/instruction.ts';

/** The fields of an image's `config` that instructions change (image-spec, config.md; docker's). */
export interface RunConfig {
  User?: string;
  ExposedPorts?: Readonly<Record<string, object>>;
  Env?: readonly string[];
  Entrypoint?: readonly string[];
  Cmd?: readonly string[];
  Volumes?: Readonly<Record<string, object>>;
  WorkingDir?: string;
  Labels?: Readonly<Record<string, string>>;
  StopSignal?: string;
  ArgsEscaped?: boolean;
  Healthcheck?: HealthCheck;
  OnBuild?: readonly string[];
  Shell?: readonly string[];
  StopTimeout?: number;
}

/** A line of the history that is being written. */
export interface HistoryLine {
  readonly created: string;
  readonly created_by: string;
  readonly comment?: string;
  readonly empty_layer?: true;
}

/** An image config that is being made. */
export interface ImageDraft {
  readonly platform: Platform;
  readonly author?: string;
  readonly config: RunConfig;
  readonly diffIds: readonly Digest[];
  readonly history: readonly unknown[];
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const CONFIG_KEYS: readonly (keyof RunConfig)[] = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
  'StopTimeout',
];

/** What FROM scratch begins with, as BuildKit has it. */
export function emptyImage(platform: Platform): ImageDraft {
  const config = { Env: [DEFAULT_PATH], WorkingDir: '/' };
  return { platform, config, diffIds: [], history: [] };
}

/** What FROM an image begins with: fields that describe how it was once made are left behind. */
export function imageFrom(
  json: JsonObject,
  platform: Platform,
  diffIds: readonly Digest[],
): ImageDraft {
  const given = isJsonObject(json.config) ? json.config : {};
  const config: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    if (given[key] !== undefined && given[key] !== null) config[key] = given[key];
  }
  const env = (config.Env as readonly string[] | undefined) ?? [];
  if (!env.some((pair) => pair.startsWith('PATH='))) config.Env = [...env, DEFAULT_PATH];
  const history = Array.isArray(json.history) ? [...json.history] : [];
  const known = history.filter((line) => isJsonObject(line) && line.empty_layer !== true).length;
  // A line for each layer, so that those that follow belong to their own.
  for (let at = known; at < diffIds.length; at++)
    history.push({ created_by: 'a layer of the base' });
  return {
    platform,
    ...(typeof json.author === 'string' && json.author !== '' ? { author: json.author } : {}),
    config: config as RunConfig,
    diffIds,
    history,
  };
}

/** The config as a document, keys in one order, empty fields left out. */
export function configDocument(image: ImageDraft, created: string): object {
  const config: Record<string, unknown> = {};
  for (const key of CONFIG_KEYS) {
    const value = image.config[key];
    if (!isEmpty(value)) config[key] = sorted(value);
  }
  const { 'os.version': version, 'os.features': features, ...platform } = image.platform;
  return {
    created,
    ...(image.author === undefined ? {} : { author: image.author }),
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
    config,
    rootfs: { type: 'layers', diff_ids: image.diffIds },
    history: image.history,
  };
}

/** Go leaves such fields out, and readers take both for the same. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === '' || value === false) return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Maps have no order of their own. */
function sorted(value: unknown): unknown {
  if (!isJsonObject(value) || 'Test' in value) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `NAME=VALUE` pairs with one set: in its place, or at the end. */
export function withEnv(env: readonly string[], name: string, value: string): readonly string[] {
  const at = env.findIndex((pair) => pair.startsWith(`${name}=`));
  const pair = `${name}=${value}`;
  return at < 0 ? [...env, pair] : env.with(at, pair);
}

/** `NAME=VALUE` pairs as a map. */
export function envMap(env: readonly string[]): Map<string, string> {
  return new Map(
    env.map((pair) => {
      const equals = pair.indexOf('=');
      return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}
