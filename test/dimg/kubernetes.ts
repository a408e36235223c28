import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { makeEngineCertificates } from '../rig/engine-certificates.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

/** What a cluster answers to a list: objects, pages of objects, or a status. */
export type Answer = readonly object[] | number | 'nothing';

/** A server that answers the lists of a cluster. */
export interface Cluster {
  readonly url: string;
  /** file with its authority's certificate, if it speaks TLS */
  readonly caFile?: string;
  /** answers by path, as `/api/v1/pods`; nothing is in the others */
  readonly answers: Map<string, Answer>;
  /** what was asked, with `Authorization` where there was one */
  readonly asked: string[];
}

export interface ClusterOptions {
  readonly tls?: boolean;
  /** objects of a page, whatever is asked for */
  readonly perPage?: number;
}

export async function startCluster(
  owner: Owner,
  { tls = false, perPage = 500 }: ClusterOptions = {},
): Promise<Cluster> {
  const answers: Cluster['answers'] = new Map();
  const asked: string[] = [];
  const listener: http.RequestListener = (request, response) => {
    const url = new URL(request.url ?? '', 'http://cluster');
    const from = Number(url.searchParams.get('continue') ?? 0);
    const { authorization } = request.headers;
    asked.push(`${request.method} ${url.pathname}${authorization ? ` ${authorization}` : ''}`);
    const answer = answers.get(url.pathname) ?? [];
    if (answer === 'nothing') return;
    const isList = typeof answer !== 'number';
    response.writeHead(isList ? 200 : answer, { 'content-type': 'application/json' });
    if (!isList) return void response.end(JSON.stringify({ kind: 'Status', message: 'no' }));
    const end = from + perPage;
    const metadata = end < answer.length ? { continue: String(end) } : {};
    response.end(JSON.stringify({ kind: 'List', metadata, items: answer.slice(from, end) }));
  };
  const folder = tls ? await makeEngineCertificates(owner) : '';
  const pem = (name: string) => readFile(path.join(folder, name));
  const server = tls
    ? https.createServer(
        { cert: await pem('server-cert.pem'), key: await pem('server-key.pem') },
        listener,
      )
    : http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    ...(tls ? { caFile: path.join(folder, 'ca.pem') } : {}),
    answers,
    asked,
  };
}

/** Writes a configuration with a context for each cluster, called `context-0` and so on. */
export async function kubeConfig(
  owner: Owner,
  clusters: readonly Pick<Cluster, 'url' | 'caFile'>[],
  userOf: (at: number) => object = (at) => ({ token: `token-${at}` }),
): Promise<string> {
  const file = path.join(await tempDir(owner), 'config');
  const named = <T>(key: string, of: (at: number) => T) =>
    clusters.map((_, at) => ({ name: `${key}-${at}`, [key]: of(at) }));
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'context-0',
    clusters: named('cluster', (at) => ({
      server: clusters[at]?.url,
      ...(clusters[at]?.caFile ? { 'certificate-authority': clusters[at].caFile } : {}),
      // The client speaks plain HTTP only where this is said.
      ...(clusters[at]?.url.startsWith('http:') ? { 'insecure-skip-tls-verify': true } : {}),
    })),
    users: named('user', userOf),
    contexts: named('context', (at) => ({ cluster: `cluster-${at}`, user: `user-${at}` })),
  });
  await writeFile(file, text);
  return file;
}
