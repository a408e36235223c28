import { mkdir, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { mustRun, startDaemon } from './programs.ts';

/** A TLS server before a plain one. */
export interface TlsFront {
  /** `localhost:PORT` */
  readonly host: string;
  /** file with the certificate of the authority that made the server's, PEM */
  readonly caFile: string;
}

/** Starts nginx with a certificate of an authority that nobody knows, for `localhost` only. */
export async function startTlsFront(owner: Owner, upstream: string): Promise<TlsFront> {
  const folder = await tempDir(owner);
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('temp'));
  await makeCertificates(folder);
  const port = await freePort();
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    at('nginx.conf'),
    `
daemon off;
worker_processes 1;
pid ${at('pid')};
error_log stderr warn;
events {}
http {
  access_log off;
  ${temps.map((name) => `${name}_temp_path ${at('temp')}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port} ssl;
    server_name localhost;
    ssl_certificate ${at('server.pem')};
    ssl_certificate_key ${at('server.key')};
    client_max_body_size 0;
    location / {
      proxy_pass http://${upstream};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_http_version 1.1;
    }
  }
}
`,
  );
  const args = ['-p', folder, '-c', at('nginx.conf'), '-e', 'stderr'];
  await startDaemon(owner, 'nginx', args, {}, () => acceptsConnections(port));
  return { host: `localhost:${port}`, caFile: at('ca.pem') };
}

async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => mustRun('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2'];
  await openssl('req', '-x509', ...key, ...ca);
  const server = ['-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost'];
  await openssl('req', ...key, ...server);
  await writeFile(path.join(folder, 'names'), 'subjectAltName=DNS:localhost\n');
  const signed = ['-req', '-in', 'server.csr', '-out', 'server.pem', '-days', '2'];
  const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
  await openssl('x509', ...signed, ...by);
}

/** A port of loopback that was free a moment ago, for programs that can't choose one. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
