import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';

export interface KeyPair {
  /** PEM */
  readonly cert: string;
  /** PEM */
  readonly key: string;
}

export interface CertificateOptions {
  /** what it is for, as `DNS:localhost` or `IP:127.0.0.1` */
  readonly name?: string;
  /** the end of its life in days from now; negative for one that has ended */
  readonly days?: number;
}

/** Makes a self-signed certificate. */
export async function makeCertificate(
  owner: Owner,
  { name = 'IP:127.0.0.1', days = 2 }: CertificateOptions = {},
): Promise<KeyPair> {
  const folder = await tempDir(owner);
  const at = (file: string) => path.join(folder, file);
  const dayMs = 86_400_000;
  const asn1 = (ms: number) =>
    new Date(ms)
      .toISOString()
      .replace(/[-:T]/g, '')
      .replace(/\.\d+Z/, 'Z');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await mustRun('openssl', [
    'req',
    ...key,
    '-keyout',
    at('key'),
    '-out',
    at('csr'),
    '-subj',
    '/CN=x',
  ]);
  await writeFile(
    at('ca.cnf'),
    `[ca]\ndefault_ca=x\n[x]\ndatabase=${at('db')}\nserial=${at('serial')}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=${name}\nbasicConstraints=CA:TRUE\n`,
  );
  await writeFile(at('db'), '');
  await writeFile(at('serial'), '01\n');
  const end = Date.now() + days * dayMs;
  const life = ['-startdate', asn1(end - 10 * dayMs), '-enddate', asn1(end)];
  const signing = ['-batch', '-selfsign', '-config', at('ca.cnf'), '-keyfile', at('key')];
  await mustRun('openssl', [
    'ca',
    ...signing,
    ...life,
    '-in',
    at('csr'),
    '-out',
    at('cert'),
    '-notext',
  ]);
  const cert = await readFile(at('cert'), 'utf8');
  // Fails early if openssl made something else.
  new X509Certificate(cert);
  return { cert, key: await readFile(at('key'), 'utf8') };
}

/** Makes a certificate for 127.0.0.1 that an authority of its own signed with SHA-1. */
export async function makeSha1Certificate(
  owner: Owner,
): Promise<{ readonly pair: KeyPair; readonly ca: string }> {
  const cwd = await tempDir(owner);
  const openssl = (...args: string[]) => mustRun('openssl', args, { cwd });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    ...['req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca', '-subj', '/CN=ca', '-days', '2'],
  );
  await openssl('req', ...key, '-keyout', 'key', '-out', 'csr', '-subj', '/CN=x');
  await writeFile(path.join(cwd, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  const by = ['-CA', 'ca', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
  await openssl('x509', '-req', '-sha1', '-in', 'csr', '-out', 'cert', '-days', '2', ...by);
  const read = (file: string) => readFile(path.join(cwd, file), 'utf8');
  return { pair: { cert: await read('cert'), key: await read('key') }, ca: await read('ca') };
}

/** Starts an HTTPS server on loopback. Gives `127.0.0.1:PORT`. */
export async function serveTls(
  owner: Owner,
  pair: KeyPair,
  listener: RequestListener,
  options: tls.TlsOptions = {},
): Promise<string> {
  const http = createServer(listener);
  const server = tls.createServer({ ...pair, ...options }, (socket) =>
    http.emit('connection', socket),
  );
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
