import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { atEnd, type Owner } from './lifetime.ts';
import { reset } from './reset.ts';

/** One request to the proxy itself. */
export interface ProxyRequest {
  readonly method: string;
  /** `name:port` of a tunnel, else the whole URL */
  readonly target: string;
  readonly headers: http.IncomingHttpHeaders;
  /** subject of the certificate that the client showed to the proxy */
  readonly clientCertificate?: string;
}

export interface ProxyOptions {
  /** `USER:PASSWORD` that it wants */
  readonly login?: string;
  /** where names lead to, as `127.0.0.1:PORT` by `name:port`; others are not let through */
  readonly ways?: Readonly<Record<string, string>>;
  /** answers every request with this status */
  readonly refuses?: number;
  /** refuses only so many requests, then lets through; all if left out */
  readonly refusesTimes?: number;
  /** resets so many tunnels as soon as they have carried more bytes to the host than this */
  readonly cuts?: { readonly times: number; readonly afterBytes: number };
  /** the proxy itself speaks TLS */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** instead of the host that was asked for, the proxy answers TLS itself with this */
  readonly intercepts?: { readonly cert: string; readonly key: string };
}

export interface RunningProxy {
  /** `http://127.0.0.1:PORT`, or https */
  readonly url: string;
  readonly requests: readonly ProxyRequest[];
  /** requests that it read inside of tunnels: only one that intercepts can */
  readonly seenInside: readonly string[];
  /** tunnels that are still to be cut */
  readonly cutsLeft: number;
}

/** Starts a forward proxy on loopback that writes down what it saw. */
export async function startProxy(owner: Owner, options: ProxyOptions = {}): Promise<RunningProxy> {
  const requests: ProxyRequest[] = [];
  const seenInside: string[] = [];
  const sockets = new Set<Duplex>();
  const { ways = {}, login, refuses, cuts } = options;
  let refusalsLeft = options.refusesTimes ?? Number.POSITIVE_INFINITY;
  let cutsLeft = cuts?.times ?? 0;
  const statusFor = (request: http.IncomingMessage, target: string): number => {
    const subject =
      request.socket instanceof tls.TLSSocket
        ? request.socket.getPeerCertificate().subject?.CN?.toString()
        : undefined;
    const { method = '', url = '', headers } = request;
    requests.push({
      ...{ method, target: url, headers },
      ...(subject === undefined ? {} : { clientCertificate: subject }),
    });
    if (refuses !== undefined && refusalsLeft-- > 0) return refuses;
    const wanted = login && `Basic ${Buffer.from(login).toString('base64')}`;
    if (headers['proxy-authorization'] !== (wanted || undefined)) return 407;
    return Object.hasOwn(ways, target) ? 200 : 403;
  };
  const placeOf = (target: string) => {
    const [host = '', port = ''] = (ways[target] ?? '').split(':');
    return { host, port: Number(port) };
  };

  const onRequest: http.RequestListener = (request, response) => {
    const target = URL.parse(request.url ?? '');
    const name = target === null ? '' : `${target.hostname}:${target.port || 80}`;
    const status = statusFor(request, name);
    if (status !== 200 || target === null) {
      request.resume();
      response.writeHead(status, { 'proxy-authenticate': 'Basic realm="proxy"' });
      return void response.end('from the proxy');
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const path = `${target.pathname}${target.search}`;
    const onward = http.request(
      { ...placeOf(name), method: request.method, path, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
  const inside = http.createServer((request, response) => {
    seenInside.push(`${request.method} ${request.url}`);
    response.end();
  });
  const server = options.tls
    ? https.createServer(
        { ...options.tls, requestCert: true, rejectUnauthorized: false },
        onRequest,
      )
    : http.createServer(onRequest);
  server.on('connect', (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const target = request.url ?? '';
    const status = statusFor(request, target);
    if (status !== 200) {
      return void socket.end(
        `HTTP/1.1 ${status} No\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n`,
      );
    }
    const begin = () => socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (options.intercepts !== undefined) {
      begin();
      const own = new tls.TLSSocket(socket as net.Socket, {
        isServer: true,
        ...options.intercepts,
      });
      own.on('error', () => socket.destroy());
      return void inside.emit('connection', own);
    }
    const onward = net.connect(placeOf(target));
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    onward.on('connect', () => {
      begin();
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
      let carriedBytes = 0;
      socket.on('data', (chunk: Buffer) => {
        carriedBytes += chunk.byteLength;
        if (cuts === undefined || cutsLeft === 0 || carriedBytes <= cuts.afterBytes) return;
        cutsLeft--;
        reset(socket as net.Socket);
      });
    });
    socket.on('close', () => onward.destroy());
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    seenInside,
    get cutsLeft() {
      return cutsLeft;
    },
  };
}
