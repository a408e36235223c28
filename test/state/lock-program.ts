import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { withLock } from '../../src/state/lock.ts';

const [what = '', lock = '', file = '', times = '0'] = process.argv.slice(2);

if (what === 'hold') {
  await withLock(lock, async () => {
    process.stdout.write('held\n');
    await delay(60_000);
  });
}

if (what === 'hog') {
  process.stdout.write('started\n');
  for (;;) await withLock(lock, () => delay(5));
}

if (what === 'count') {
  for (let done = 0; done < Number(times); done++) {
    await withLock(lock, async () => {
      const count = Number(await readFile(file, 'utf8'));
      await delay(1);
      await writeFile(file, String(count + 1));
    });
  }
}
