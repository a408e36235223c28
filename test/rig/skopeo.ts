import { mustRun } from './programs.ts';

/** skopeo's view of an image in a plain registry on loopback: its digest and its layers. */
export async function skopeoInspect(
  reference: string,
  credentials?: string,
): Promise<{ readonly Digest: string; readonly Layers: readonly string[] }> {
  const creds = credentials === undefined ? [] : ['--creds', credentials];
  return JSON.parse(
    await mustRun('skopeo', ['inspect', '--tls-verify=false', ...creds, `docker://${reference}`]),
  );
}

/** Copies between two of skopeo's locations as the bytes are, registries without TLS. */
export async function skopeoCopy(
  from: string,
  to: string,
  ...flags: readonly string[]
): Promise<void> {
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  await mustRun('skopeo', ['copy', '--quiet', ...plain, ...flags, from, to]);
}
