import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { mustRun } from './programs.ts';

/**
 * Makes an authority, and certificates of it for an engine on 127.0.0.1 and for its client. The
 * folder is what `DOCKER_CERT_PATH` names; `server-cert.pem` and `server-key.pem` are the engine's.
 */
export async function makeEngineCertificates(owner: Owner): Promise<string> {
  const folder = await tempDir(owner);
  const at = (file: string) => path.join(folder, file);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=authority'];
  await mustRun('openssl', [...authority, '-keyout', at('ca-key.pem'), '-out', at('ca.pem')]);
  for (const [cert, key, extensions] of [
    [
      'server-cert.pem',
      'server-key.pem',
      'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth',
    ],
    ['cert.pem', 'key.pem', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    const request = at(`${cert}.csr`);
    await mustRun('openssl', [
      'req',
      ...newKey,
      '-subj',
      '/CN=x',
      '-keyout',
      at(key),
      '-out',
      request,
    ]);
    await writeFile(at('extensions'), extensions);
    const signing = [
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca-key.pem'),
      '-CAcreateserial',
      '-days',
      '2',
    ];
    const files = ['-in', request, '-extfile', at('extensions'), '-out', at(cert)];
    await mustRun('openssl', ['x509', '-req', ...signing, ...files]);
  }
  return folder;
}
