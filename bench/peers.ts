import path from 'node:path';
import { findProgram } from '../test/rig/programs.ts';

/** Slipway as it is shipped: `npm run build` makes it. */
export const SLIPWAY: readonly string[] = [
  process.execPath,
  path.join(path.dirname(import.meta.dirname), 'dist/slipway.js'),
];

/** A command line that publishes the image `name` of a layout as `HOST/PATH:TAG`. */
export type Publish = (layout: string, name: string, to: string) => readonly string[];

/** Slipway, and the peers that are installed. */
export function publishers(): Readonly<Record<string, Publish>> {
  const all: Record<string, Publish> = {
    slipway: (layout, name, to) => [...SLIPWAY, 'copy', `oci:${layout}:${name}`, `docker://${to}`],
    // It takes no name: the layout has to hold one image only.
    crane: (layout, _name, to) => ['crane', 'push', '--insecure', layout, to],
    oras: (layout, name, to) => [
      ...['oras', 'cp', '--no-tty', '--from-oci-layout', `${layout}:${name}`],
      ...['--to-plain-http', to],
    ],
    skopeo: (layout, name, to) => [
      ...['skopeo', 'copy', '--quiet', '--dest-tls-verify=false'],
      ...[`oci:${layout}:${name}`, `docker://${to}`],
    ],
  };
  const there = ([name]: [string, Publish]) => name === 'slipway' || findProgram(name);
  return Object.fromEntries(Object.entries(all).filter(there));
}
