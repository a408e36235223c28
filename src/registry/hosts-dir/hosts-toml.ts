import { resolve } from 'node:path';
import type { ClientCertificate, TlsSettings } from '../../http/tls.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import { ALL_CAPABILITIES, type Capability, type Endpoint, type HostConfig } from './endpoint.ts';
import { readAuthorities, readClientCertificate, unusable } from './files.ts';
import { checkedHeaders } from './headers.ts';

/** One table of the file: that of a mirror, or what stands before all of them. */
interface Table {
  readonly values: JsonObject;
  readonly folder: string;
  /** Fails for a key of this table. */
  fail(key: string, how: string): never;
}

/**
 * Reads a `hosts.toml` (containerd, "Registry Configuration"). Paths in it are relative to its
 * folder; keys that containerd doesn't know are left alone, as it does.
 *
 * @throws SlipwayError `CONFIG_INVALID` with file and line
 */
export async function readHostsToml(path: string, text: string): Promise<HostConfig> {
  const root = await parse(path, text);
  const folder = resolve(path, '..');
  const table = (values: JsonObject, name?: string): Table => ({
    values,
    folder,
    fail: (key, how) => {
      throw unusable(path, how, lineOf(text, name, key));
    },
  });
  const top: Table = table(root);
  const hosts = root.host ?? {};
  if (!isJsonObject(hosts)) top.fail('host', '"host" is no table');
  const mirrors: Endpoint[] = [];
  for (const [name, values] of Object.entries(hosts)) {
    if (!isJsonObject(values)) top.fail(name, `[host.${JSON.stringify(name)}] is no table`);
    const mirror: Table = table(values, name);
    mirrors.push(await endpointOf(mirror, urlOf(mirror, name, name)));
  }
  const server = root.server ?? '';
  if (typeof server !== 'string') top.fail('server', '"server" is no text');
  const url = server === '' ? undefined : urlOf(top, 'server', server);
  return { where: path, mirrors, server: await endpointOf(top, url) };
}

async function parse(path: string, text: string): Promise<JsonObject> {
  // Most users have no such file: what reads it is loaded for those who have.
  const { parse: parseToml, TomlError } = await import('smol-toml');
  try {
    return parseToml(text) as JsonObject;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message quotes the file, which may hold secrets.
    const [, why = 'it is no TOML'] = /^Invalid TOML document: ([^\n]*)/.exec(error.message) ?? [];
    throw unusable(path, why, error.line);
  }
}

/** The line where a table has a key, else where it begins. */
function lineOf(text: string, table: string | undefined, key: string): number {
  const lines = text.split('\n').map((line) => line.trim());
  let isInside = table === undefined;
  let begin = 1;
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('[')) {
      isInside = table === undefined ? /^\[\s*header\s*\]/.test(line) : line.includes(table);
      if (isInside && begin === 1 && table !== undefined) begin = at + 1;
    }
    if (isInside && line.replace(/^["']/, '').startsWith(key)) return at + 1;
  }
  return begin;
}

function urlOf(table: Table, key: string, text: string): URL {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null || url.hostname === '') return table.fail(key, 'it names a host that is no URL');
  if (url.username !== '' || url.password !== '') {
    return table.fail(key, 'a URL with a password in it is not used; log in to that host instead');
  }
  if (url.search !== '' || url.hash !== '') table.fail(key, 'the URL of a host has no query');
  return url;
}

async function endpointOf(table: Table, url: URL | undefined): Promise<Endpoint> {
  const connectTimeoutMs = durationMs(table);
  return {
    ...(url === undefined ? {} : { url: new URL(url.origin) }),
    basePath: basePathOf(url, flag(table, 'override_path') === true),
    capabilities: capabilitiesOf(table),
    tls: await tlsOf(table),
    headers: headersOf(table),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
  };
}

function basePathOf(url: URL | undefined, isWhole: boolean): string {
  const path = (url?.pathname ?? '').replace(/\/+/g, '/').replace(/\/$/, '');
  return isWhole && url !== undefined ? path : path.endsWith('/v2') ? path : `${path}/v2`;
}

function capabilitiesOf(table: Table): ReadonlySet<Capability> {
  const named = texts(table, 'capabilities').map((name) => name.toLowerCase());
  if (named.length === 0) return ALL_CAPABILITIES;
  const unknown = named.find((name) => !ALL_CAPABILITIES.has(name as Capability));
  if (unknown !== undefined) {
    table.fail('capabilities', `${JSON.stringify(unknown)} is none of pull, resolve and push`);
  }
  return new Set(named as Capability[]);
}

async function tlsOf(table: Table): Promise<TlsSettings> {
  const { client } = table.values;
  const ca = await Promise.all(
    texts(table, 'ca').map((name) => readAuthorities(resolve(table.folder, name))),
  );
  const pairs = client === undefined ? [] : Array.isArray(client) ? client : [client];
  const clientCertificates = await Promise.all(pairs.map((pair) => clientOf(table, pair)));
  return {
    skipVerify: flag(table, 'skip_verify') === true,
    ...(ca.length === 0 ? {} : { ca: ca.join('') }),
    clientCertificates,
  };
}

async function clientOf(table: Table, pair: unknown): Promise<ClientCertificate> {
  const [cert, key, ...more] = Array.isArray(pair) ? pair : [pair];
  const at = (name: string): string => resolve(table.folder, name);
  if (typeof cert === 'string' && key === undefined) return await readClientCertificate(at(cert));
  if (typeof cert === 'string' && typeof key === 'string' && more.length === 0) {
    return await readClientCertificate(at(cert), key === '' ? at(cert) : at(key));
  }
  return table.fail('client', '"client" is a file, or a list of files or of [certificate, key]');
}

function headersOf(table: Table): Readonly<Record<string, string>> {
  const header = table.values.header ?? {};
  if (!isJsonObject(header)) return table.fail('header', '"header" is no table');
  const values = Object.keys(header).map((name) => {
    const all = texts({ ...table, values: header }, name);
    return [name, all.join(', ')] as const;
  });
  const { headers, refused } = checkedHeaders(values);
  const [name] = refused;
  if (name !== undefined) {
    table.fail(name, `the header ${JSON.stringify(name)} is not one that can be set, or not valid`);
  }
  return headers;
}

function flag(table: Table, key: string): boolean | undefined {
  const value = table.values[key];
  if (value === undefined || typeof value === 'boolean') return value;
  return table.fail(key, `"${key}" is neither true nor false`);
}

/** A text or a list of texts. */
function texts(table: Table, key: string): readonly string[] {
  const value = table.values[key] ?? [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.every((each) => typeof each === 'string')) return list;
  return table.fail(key, `${JSON.stringify(key)} is no text, nor a list of texts`);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `dial_timeout`, as Go writes durations: `3s`, `1m30s`. */
function durationMs(table: Table): number | undefined {
  const text = table.values.dial_timeout;
  if (text === undefined || text === '') return undefined;
  if (typeof text === 'string' && /^(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smh]))+$/.test(text)) {
    const parts = text.matchAll(/([0-9.]+)(ms|[smh])/g);
    const ms = parts.reduce((sum, [, n, unit = '']) => sum + Number(n) * (UNIT_MS[unit] ?? 0), 0);
    if (ms >= 1) return Math.min(Math.round(ms), UNIT_MS.h ?? 0);
  }
  return table.fail('dial_timeout', '"dial_timeout" is no duration such as 3s');
}
