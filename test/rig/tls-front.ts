import { mkdir, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { mustRun, startDaemon } from './programs.ts';

/** A TLS server before a plain one. */
export interface TlsFront {
  /** `NAME:PORT` */
  readonly host: string;
  /** where it listens, whatever its name is: `127.0.0.1:PORT` */
  readonly address: string;
  /** file with the certificate of the authority that made the server's, PEM */
  readonly caFile: string;
  /** the server's certificate and key, PEM */
  readonly serverFiles: { readonly cert: string; readonly key: string };
  /** a client certificate that the server accepts, and its key, PEM */
  readonly clientFiles: { readonly cert: string; readonly key: string };
}

export interface TlsFrontOptions {
  /** the name in its certificate; default `localhost` */
  readonly name?: string;
  /** it wants a client certificate */
  readonly isMutual?: boolean;
}

/** Starts nginx with a certificate of an authority that nobody knows, for one name only. */
export async function startTlsFront(
  owner: Owner,
  upstream: string,
  { name = 'localhost', isMutual = false }: TlsFrontOptions = {},
): Promise<TlsFront> {
  const folder = await tempDir(owner);
  const at = (file: string) => path.join(folder, file);
  await mkdir(at('temp'));
  await makeCertificates(folder, name);
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
    server_name ${name};
    ${isMutual ? `ssl_verify_client on; ssl_client_certificate ${at('ca.pem')};` : ''}
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
  return {
    host: `${name}:${port}`,
    address: `127.0.0.1:${port}`,
    caFile: at('ca.pem'),
    serverFiles: { cert: at('server.pem'), key: at('server.key') },
    clientFiles: { cert: at('client.pem'), key: at('client.key') },
  };
}

async function makeCertificates(folder: string, name: string): Promise<void> {
  const openssl = (...args: string[]) => mustRun('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2'];
  await openssl('req', '-x509', ...key, ...ca);
  await writeFile(path.join(folder, 'names'), `subjectAltName=DNS:${name}\n`);
  for (const [who, subject] of [
    ['server', `/CN=${name}`],
    ['client', '/CN=the client'],
  ]) {
    const asked = ['-keyout', `${who}.key`, '-out', `${who}.csr`, '-subj', `${subject}`];
    await openssl('req', ...key, ...asked);
    const signed = ['-req', '-in', `${who}.csr`, '-out', `${who}.pem`, '-days', '2'];
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
    await openssl('x509', ...signed, ...by, ...(who === 'server' ? ['-extfile', 'names'] : []));
  }
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
