import { writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import path from 'node:path';
import { makeCertificate, serveTls } from '../../http/certificates.ts';
import { type Owner, tempDir } from '../../rig/lifetime.ts';
import { run } from '../../rig/programs.ts';
import { startProxy } from '../../rig/proxy.ts';

/** A request as the clouds' server saw it. */
export interface CloudRequest {
  readonly method: string;
  /** the name that it was sent to */
  readonly host: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly bytes: Buffer;
}

/** What a cloud answers: a document, a status, or nothing if it does so itself. */
export type CloudAnswer = (
  request: CloudRequest,
  response: ServerResponse,
) => object | number | string | undefined;

export interface Clouds {
  readonly requests: readonly CloudRequest[];
  /** makes a process take our server for the clouds, and find nothing of this machine's user */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
}

/**
 * Starts one server for all hosts of the clouds, behind a proxy that leads every one of their names
 * to it.
 */
export async function startClouds(
  owner: Owner,
  answers: Readonly<Record<string, CloudAnswer>>,
): Promise<Clouds> {
  const hosts = Object.keys(answers);
  const requests: CloudRequest[] = [];
  const pair = await makeCertificate(owner, { name: hosts.map((host) => `DNS:${host}`).join(',') });
  const place = await serveTls(owner, pair, async (request, response) => {
    const bytes = Buffer.concat(await Array.fromAsync(request));
    const body = bytes.toString();
    const { method = '', headers } = request;
    const host = (headers.host ?? '').replace(/:443$/, '');
    const seen = {
      method,
      host,
      url: new URL(request.url ?? '', `https://${host}`),
      headers,
      body,
      bytes,
    };
    requests.push(seen);
    const known = answers[host];
    const answer = known === undefined ? 404 : known(seen, response);
    if (answer === undefined) return;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else if (typeof answer === 'string')
      response.writeHead(200, { 'content-type': 'text/xml' }).end(answer);
    else
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  const ways = Object.fromEntries(hosts.map((host) => [`${host}:443`, place]));
  const proxy = await startProxy(owner, { ways });
  const home = await tempDir(owner);
  const authority = path.join(home, 'authority.pem');
  await writeFile(authority, pair.cert);
  return {
    requests,
    home,
    env: {
      HOME: home,
      HTTPS_PROXY: proxy.url,
      NO_PROXY: '127.0.0.1',
      NODE_EXTRA_CA_CERTS: authority,
      // A machine of a cloud is no part of these tests, even where they run on one.
      AWS_EC2_METADATA_DISABLED: 'true',
      METADATA_SERVER_DETECTION: 'none',
      AZURE_TOKEN_CREDENTIALS: 'dev',
    },
  };
}

export interface Asked {
  readonly answers: readonly {
    readonly credential?: {
      readonly username: string;
      readonly password: string;
      readonly identityToken?: string;
    };
    readonly code?: string;
    readonly message?: string;
    readonly hint?: string;
  }[];
  readonly warnings: readonly string[];
  readonly connections: readonly string[];
}

const ASK = path.join(import.meta.dirname, 'ask.ts');

/** Asks for the logins of hosts in a process of its own, which must say nothing else. */
export async function ask(
  env: Readonly<Record<string, string>>,
  ...hosts: readonly string[]
): Promise<Asked> {
  return await askWith(ASK, env, hosts);
}

/** Like {@link ask}, with the script at another place. */
export async function askWith(
  script: string,
  env: Readonly<Record<string, string>>,
  hosts: readonly string[],
): Promise<Asked> {
  const { code, stdout, stderr } = await run(process.execPath, [script, ...hosts], { env });
  if (code !== 0 || stderr !== '') throw new Error(`asking ended with ${code}: ${stderr}`);
  const asked: Asked = JSON.parse(stdout);
  const away = asked.connections.filter((place) => !/^(?:127\.0\.0\.1|localhost)$/.test(place));
  if (away.length > 0) throw new Error(`not on this machine: ${away.join(', ')}`);
  return asked;
}
