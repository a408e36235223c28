import path from 'node:path';
import { blobFile } from '../test/rig/layouts.ts';
import type { Contender } from './contest.ts';
import type { Layout } from './images/layout.ts';

/** Name of the row in which only Slipway's compressor runs. */
export const compressionFloor = (format: string): string => `floor: ${format} alone`;

/** Nothing but compression, on all cores. */
export function compressAlone(format: string, files: readonly string[]): Contender {
  const program = path.join(import.meta.dirname, 'compress-alone.ts');
  return {
    name: compressionFloor(format),
    isOffline: true,
    publish: ({ env }) => [{ args: [process.execPath, program, format, ...files], env }],
  };
}

/** Name of the row in which curl sends the layers. */
export const CURL = 'floor: parallel curl';

/** Nothing but the layers' bytes, sent by as many curls as there are layers. */
export function curlAlone({ folder, layers }: Layout): Contender {
  const program = path.join(import.meta.dirname, 'upload-alone.sh');
  const files = layers.flatMap(({ digest }) => [digest, blobFile(folder, digest)]);
  return {
    name: CURL,
    sendsNoManifest: true,
    publish: ({ host, env }) => [{ args: ['sh', program, host, ...files], env }],
  };
}
