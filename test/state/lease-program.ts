import { setTimeout as delay } from 'node:timers/promises';
import { takeLease } from '../../src/state/lease.ts';

const lease = await takeLease(process.argv[2] ?? '');
await lease.note('something');
process.stdout.write('taken\n');
await delay(60_000);
