import { readFile } from 'node:fs/promises';
import { blobFile } from '../rig/layouts.ts';
import type { TestImage } from './image.ts';

/** Puts an image into a registry without any of our own code; it has to work. */
export async function seed(
  { layout, root }: TestImage,
  host: string,
  repository: string,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const manifest = await readFile(blobFile(layout, root.digest));
  const { config, layers } = JSON.parse(manifest.toString());
  for (const { digest } of [config, ...layers]) {
    const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(opened.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digest);
    await must(location.href, 'application/octet-stream', await readFile(blobFile(layout, digest)));
  }
  await must(`${base}/manifests/1`, root.mediaType, manifest);
}

async function must(url: string, type: string, body: Buffer): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: new Uint8Array(body),
  });
  if (answer.status !== 201) throw new Error(`${url} answered ${answer.status}`);
}
