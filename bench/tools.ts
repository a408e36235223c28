import { findProgram, run } from '../test/rig/programs.ts';
import type { Bench } from './bench.ts';
import type { Contender, Place } from './contest.ts';

/** Programs that we compare with, and how each tells its version. */
export const PEERS: Readonly<Record<string, readonly string[]>> = {
  docker: ['--version'],
  podman: ['--version'],
  buildah: ['--version'],
  skopeo: ['--version'],
  crane: ['version'],
  oras: ['version'],
  regctl: ['version', '--format', '{{.VCSTag}}'],
};

/** A contender that is one command of another program. */
export function peer(
  name: string,
  args: (host: string, place: Place) => readonly string[],
  more: Readonly<Record<string, string>> = {},
): Contender {
  return {
    name,
    publish: (place) => [{ args: args(place.host, place), env: { ...place.env, ...more } }],
  };
}

/** Slipway as a contender, and with it the Slipway that it is compared with. */
export function slipway(
  bench: Bench,
  name: string,
  args: (host: string) => readonly string[],
  more: { readonly env?: Readonly<Record<string, string>>; readonly daemonPid?: number } = {},
): Contender[] {
  const contender = (title: string, command: readonly string[], isOurs: boolean): Contender => ({
    name: title,
    isOurs,
    publish: ({ host, env }) => [
      { ...more, args: [...command, ...args(host)], env: { ...env, ...more.env } },
    ],
  });
  const { before } = bench;
  return [
    contender(name, bench.slipway, true),
    ...(before === undefined ? [] : [contender(`before: ${name}`, before, false)]),
  ];
}

/** `skopeo copy` between two places of any kind. */
export function skopeoCopy(from: string, to: string, ...flags: readonly string[]): string[] {
  return [
    ...['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'],
    ...[...flags, from, to],
  ];
}

/** What each installed peer says that it is. */
export async function versionsOf(bench: Bench): Promise<string[]> {
  const peers = Object.entries(PEERS).filter(([name]) => bench.has(name));
  const programs: [string, readonly string[]][] = [
    ...peers.map(([name, args]): [string, readonly string[]] => [name, args]),
    ...['docker-registry', 'curl'].map((name): [string, readonly string[]] => [
      name,
      ['--version'],
    ]),
  ];
  const lines = programs.map(async ([name, args]) => {
    if (findProgram(name) === undefined) return undefined;
    const { stdout } = await run(name, args);
    const version = /[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[-+~][\w.+-]+)?/.exec(stdout)?.[0];
    const told = version ?? process.env[`${name.replace('-', '_').toUpperCase()}_VERSION`];
    return `${name} ${told ?? 'of a version that it does not tell'}`;
  });
  return (await Promise.all(lines)).filter((line) => line !== undefined);
}

/** Slipway and all peers that can publish the only image of a layout. */
export function layoutPublishers(bench: Bench, folder: string, to = 'bench:1'): Contender[] {
  return [
    ...slipway(bench, 'slipway', (host) => [
      ...['copy', '-q', `oci:${folder}:1`, `docker://${host}/${to}`],
    ]),
    ...layoutPeers(bench, folder, to),
  ];
}

/** The peers of {@link layoutPublishers}. */
export function layoutPeers(bench: Bench, folder: string, to = 'bench:1'): Contender[] {
  const all = [
    peer('skopeo', (host) => skopeoCopy(`oci:${folder}:1`, `docker://${host}/${to}`)),
    peer('crane', (host) => ['crane', 'push', '--insecure', folder, `${host}/${to}`]),
    peer('oras', (host) => [
      ...['oras', 'cp', '--no-tty', '--from-oci-layout', `${folder}:1`],
      ...['--to-plain-http', `${host}/${to}`],
    ]),
    peer('regctl', (host) => [
      ...['regctl', '--host', `reg=${host},tls=disabled`, 'image', 'copy'],
      ...[`ocidir://${folder}:1`, `${host}/${to}`],
    ]),
  ];
  return all.filter(({ name }) => bench.has(name));
}
