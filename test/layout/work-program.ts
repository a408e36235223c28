/** Works on a layout until it is done or killed, and says what was done. */
import { openLayout } from '../../src/layout/layout.ts';
import { makeImage, makeIndex, pushImage } from './images.ts';

const [what = '', dir = '', id = '', times = '0'] = process.argv.slice(2);
const layout = await openLayout(dir, { create: true });

if (what === 'tag') {
  const image = makeImage(id);
  for (let turn = 0; turn < Number(times); turn++) await pushImage(layout, image, `${id}-${turn}`);
  await layout.close();
}

if (what === 'publish') {
  process.stdout.write('started\n');
  for (let turn = 0; turn < Number(times); turn++) {
    const seed = `${id}-${turn}`;
    await pushImage(layout, makeIndex(makeImage(`${seed}-a`), makeImage(`${seed}-b`)), seed);
    process.stdout.write(`done ${seed}\n`);
  }
  await layout.close();
}

if (what === 'same') {
  // The same few images again and again, each time as if for the first time: present or gone?
  for (let turn = 0; turn < Number(times); turn++) {
    await pushImage(layout, makeImage(`same-${turn % 3}`), `${id}-${turn % 3}`);
    await layout.untag(`${id}-${(turn + 1) % 3}`);
    process.stdout.write(`done ${turn}\n`);
  }
  await layout.close();
}

if (what === 'prune') {
  process.stdout.write('started\n');
  for (;;) await layout.prune({ unnamed: true });
}

if (what === 'hang') {
  const ingest = await layout.ingest();
  await ingest.write(Buffer.alloc(1_000_000));
  process.stdout.write('written\n');
  setInterval(() => {}, 1000);
}

if (what === 'use') {
  process.stdout.write(`using ${(await layout.resolve(id)).digest}\n`);
  setInterval(() => {}, 1000);
}
