import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { CATALOGUE } from './catalogue.ts';
import { type Client, slipwayHere } from './clients.ts';
import { makeImage, type TestImage } from './image.ts';
import type { Row } from './row.ts';
import { type Trial, tryRow } from './trial.ts';

let image: TestImage;
let slipway: Client;

before(async () => {
  const home = await tempDir(THIS_FILE);
  slipway = slipwayHere(home);
  process.env.DOCKER_CONFIG = home;
  image = await makeImage(THIS_FILE);
});

/** The most that may pass from a refusal to the end. */
const REFUSED_MS = 2_000;

async function check(row: Row, trial: Trial): Promise<void> {
  const { verdict, exit, text, seconds, secondsAfterStrike, holds, strikes, passed } = trial;
  const story = `${verdict}, exit ${exit}, ${seconds.toFixed(1)} s\n${text}${log(trial)}`;
  if (row.mayNotStrike !== true) assert.ok(strikes > 0, `the fault never struck: ${story}`);
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f]/, 'raw text of a registry');
  if (row.ends !== 'ok') {
    assert.equal(verdict, 'fail', story);
    assert.equal(exit, row.ends.exit, story);
    assert.match(text, row.ends.says, story);
    await assertPrompt(secondsAfterStrike * 1000, REFUSED_MS, story);
    return;
  }
  assert.equal(verdict, 'ok', story);
  assert.equal(holds, image.root.digest, story);
  if (row.atLeastMs !== undefined) assert.ok(seconds * 1000 >= row.atLeastMs, `only ${seconds} s`);
  if (row.sentAtMost !== undefined) {
    const sent = passed.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(sent <= image.layerBytes * row.sentAtMost + 10_000, `${sent} bytes\n${story}`);
  }
}

function log({ passed }: Trial): string {
  const lines = passed.map(({ method, path, status, bytes }) => {
    const short = path.replace(/(sha256(?::|%3A)[0-9a-f]{6})[0-9a-f]+/g, '$1').slice(0, 110);
    return `  ${method} ${short} ${status} ${bytes}`;
  });
  return lines.slice(-40).join('\n');
}

function rowsAgainst(name: 'docker-registry' | 'embedded', start: () => Promise<string>): void {
  describe(`before ${name}`, { concurrency: 3 }, () => {
    let upstream: string;
    before(async () => {
      upstream = await start();
    });
    for (const [at, row] of CATALOGUE.entries()) {
      if (row.only !== undefined && row.only !== name) continue;
      it(row.title, async (t) => {
        const options = { upstream, image, repository: `row/${at}`, limitMs: 100_000 };
        await check(row, await tryRow(t, row, slipway, options));
      });
    }
  });
}

const absent = missing('docker-registry', 'tar');

describe('the catalogue of faults', { skip: absent }, () => {
  rowsAgainst('docker-registry', async () => (await startDockerRegistry(THIS_FILE)).host);
  rowsAgainst('embedded', async () => {
    const registry = await startRegistry({ sparse: false });
    atEnd(THIS_FILE, () => registry.close());
    return registry.host;
  });
});
