import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { readDocument } from '../../src/jet/document.ts';
import { type Actions, runSteps } from '../../src/jet/runner.ts';
import type { PushStep } from '../../src/jet/step.ts';
import { readSteps } from '../../src/jet/steps-file.ts';
import type { Tools } from '../../src/jet/tools.ts';
import { tempDir } from '../rig/lifetime.ts';

interface Ran {
  /** what the pipeline told */
  readonly lines: readonly string[];
  /** push steps that went together */
  readonly releases: readonly (readonly string[])[];
  /** the most commands that ran at once */
  readonly most: number;
  readonly failed: string | undefined;
}

interface How {
  readonly atOnce?: number;
  readonly branch?: string;
  /** commands that fail */
  readonly bad?: readonly string[];
  readonly approves?: boolean;
  /** push steps that end in an error that nobody foresaw */
  readonly broken?: boolean;
  /** Called in the middle of each command. */
  during?(command: string): Promise<void>;
}

/** Runs the steps of a file; commands are their first word, and do nothing. */
async function ran(t: TestContext, text: string, how: How = {}): Promise<Ran> {
  const file = path.join(await tempDir(t), 'steps.yml');
  await writeFile(file, text);
  const steps = readSteps(await readDocument(file, 'steps.yml'), () => {});
  const lines: string[] = [];
  const releases: string[][] = [];
  let running = 0;
  let most = 0;
  const tools: Pick<Tools, 'signal' | 'emit' | 'say' | 'approve'> = {
    signal: new AbortController().signal,
    emit() {},
    say: (line) => lines.push(line),
    approve: async () => how.approves,
  };
  const actions: Actions = {
    async runCommand({ name, service }, [command = '']) {
      running += 1;
      most = Math.max(most, running);
      lines.push(`${name} ${service} ${command}`);
      for (let turns = 0; turns < 10; turns += 1) await turn();
      await how.during?.(command);
      running -= 1;
      if (how.bad?.includes(command)) throw new Error(`${command} is bad`);
    },
    async pushAll(all: readonly PushStep[]) {
      releases.push(all.map(({ name }) => name));
      if (how.broken === true) throw new Error('broken');
      return undefined;
    },
    approve: () => lines.push('approved'),
  };
  const { failure } = await runSteps(steps, {
    tools: tools as Tools,
    actions,
    branch: how.branch,
    isPushing: true,
    isApproved: false,
    atOnce: how.atOnce ?? 2,
  });
  return { lines, releases, most, failed: failure?.step.name };
}

const command = (name: string) => `{name: ${name}, service: a, command: ${name}}`;
const push = (name: string) => `{name: ${name}, service: a, type: push, image_name: x}`;

test('no more commands run at once than there may, over nested groups too', async (t) => {
  const inner = (name: string) =>
    `{type: parallel, steps: [${command(`${name}1`)}, ${command(`${name}2`)}]}`;
  const text = `- {type: parallel, steps: [${['a', 'b', 'c', 'd'].map(inner).join(', ')}]}`;
  const { most, lines } = await ran(t, text, { atOnce: 3 });
  assert.equal(most, 3);
  assert.equal(lines.filter((line) => line.endsWith('success ✔')).length, 8);
  assert.equal((await ran(t, text, { atOnce: 1 })).most, 1);
});

test('a serial group inside of a parallel one keeps its order, and stops alone what comes after it', async (t) => {
  const serial = `{type: serial, steps: [${command('one')}, ${command('two')}, ${command('three')}]}`;
  const text = `- {type: parallel, steps: [${serial}, ${command('beside')}]}\n- ${command('after')}`;
  const { lines, failed } = await ran(t, text, { bad: ['two'] });
  const begun = lines.filter((line) => / a /.test(line)).map((line) => line.split(' ')[2]);
  assert.deepEqual([...begun].sort(), ['beside', 'one', 'two']);
  assert.equal(failed, 'two');
  assert.ok(lines.includes('(step: two) failed ✗ two is bad'));
  assert.ok(lines.includes('(step: beside) success ✔'));
});

test('push steps in a row are one release, over groups of nothing else; others stand between', async (t) => {
  const text = `
- ${push('p1')}
- {type: serial, steps: [${push('p2')}, {type: parallel, steps: [${push('p3')}]}]}
- ${command('c')}
- ${push('p4')}
- {type: parallel, steps: [${push('p5')}, ${command('d')}, ${push('p6')}]}
`;
  const { releases } = await ran(t, text);
  assert.deepEqual(releases, [['p1', 'p2', 'p3'], ['p4'], ['p5', 'p6']]);
});

test('a release that breaks waits for the commands beside it', async (t) => {
  const text = `- {type: parallel, steps: [${push('p')}, ${command('c')}]}`;
  const { lines, failed } = await ran(t, text, { broken: true });
  assert.equal(failed, 'p');
  assert.ok(lines.includes('(step: p) failed ✗ broken'));
  assert.equal(lines.at(-1), '(step: c) success ✔');
});

test('filters of groups count for their members, and what is skipped is told once', async (t) => {
  const text = `
- {name: only, type: parallel, tag: master, steps: [${command('x')}, ${push('px')}]}
- {name: pushes, type: serial, exclude: ^dev, steps: [${push('py')}]}
- ${command('y')}
`;
  const { lines, releases } = await ran(t, text, { branch: 'dev1' });
  assert.deepEqual(lines, [
    '(step: only) skipped: it is for master, not dev1',
    '(step: pushes) skipped: excluded for dev1',
    'y a y',
    '(step: y) success ✔',
  ]);
  assert.deepEqual(releases, []);
});

test('on_fail runs in the service of its step or its own, and its failures change nothing', async (t) => {
  const onFail = 'on_fail: [{command: mend}, {command: tell, service: b}]';
  const text = `- {name: s, service: a, command: bad, ${onFail}}`;
  const { lines, failed } = await ran(t, text, { bad: ['bad', 'mend'] });
  assert.deepEqual(lines, [
    's a bad',
    '(step: s) failed ✗ bad is bad',
    's on_fail a mend',
    '(step: s on_fail) failed ✗ mend is bad',
    's on_fail b tell',
  ]);
  assert.equal(failed, 's');
});

test('manual steps at the end are asked for in turn, and a no ends the pipeline without failing', async (t) => {
  const manual = (name: string) =>
    `- {name: ${name}, type: manual, steps: [${command(`in-${name}`)}]}`;
  const text = `${manual('m1')}\n${manual('m2')}`;
  const yes = await ran(t, text, { approves: true });
  assert.deepEqual(
    yes.lines.filter((line) => !/success/.test(line)),
    ['approved', 'in-m1 a in-m1', 'approved', 'in-m2 a in-m2'],
  );
  const no = await ran(t, text, { approves: false });
  assert.deepEqual([no.lines, no.failed], [['(step: m1) not approved'], undefined]);
});
