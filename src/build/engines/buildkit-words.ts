import type { BuildRequest, BuildSecret } from '../engine.ts';

/** Values of BuildKit's comma-separated lists: what holds a comma or a quote is quoted (CSV). */
export function listed(fields: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(fields)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
    .map((field) => (/[",\n\r]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

/** `--secret` as docker, buildctl and buildah take it: a place, never the content. */
export function secretWords(secret: BuildSecret): string {
  const { id } = secret;
  return 'file' in secret ? listed({ id, src: secret.file }) : listed({ id, env: secret.variable });
}

/** The options of BuildKit's `oci` exporter, to standard output. */
export function exporterWords({ compression, timestamps }: BuildRequest): string {
  return listed({
    type: 'oci',
    dest: '-',
    ...(compression === undefined || compression.format === 'gzip'
      ? {}
      : { compression: compression.format }),
    ...(compression?.level === undefined ? {} : { 'compression-level': String(compression.level) }),
    ...(typeof timestamps === 'number' ? { 'rewrite-timestamp': 'true' } : {}),
  });
}

/** `SOURCE_DATE_EPOCH` for an engine that reads it from its environment. */
export function epochEnvironment({ timestamps }: BuildRequest): Readonly<Record<string, string>> {
  return typeof timestamps === 'number' ? { SOURCE_DATE_EPOCH: String(timestamps) } : {};
}
