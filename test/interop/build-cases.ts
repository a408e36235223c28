import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun, type RunResult } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';

/** An engine that is ready, as the cases use it. */
export interface EngineUnderTest {
  /** what `--engine` calls it */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** an image with a shell that it has */
  readonly base: string;
  /** options that commands need on the machine of these tests */
  readonly options?: readonly string[];
  /** RUN --mount=type=secret works */
  readonly hasSecrets: boolean;
}

/** A folder to build: a file, a link, a file that is left out, and a command that is run. */
async function makeContext(owner: Owner, base: string): Promise<string> {
  const folder = await tempDir(owner);
  await mkdir(path.join(folder, 'sub'));
  await writeFile(path.join(folder, 'sub/file'), 'from the context\n', { mode: 0o640 });
  await symlink('sub/file', path.join(folder, 'link'));
  await writeFile(path.join(folder, 'secret.key'), 'left out\n');
  await writeFile(path.join(folder, '.dockerignore'), '*.key\nDockerfile\n');
  await writeFile(
    path.join(folder, 'Dockerfile'),
    [
      `FROM ${base} AS base`,
      'ARG WORD=none',
      'COPY . /context',
      'RUN echo "said $WORD" > /said',
      'ENTRYPOINT ["/bin/cat", "/said"]',
      'FROM base AS more',
      'LABEL stage=more',
      '',
    ].join('\n'),
  );
  return folder;
}

interface Inspected {
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Descriptor: { readonly digest: string };
  readonly Manifest: {
    readonly annotations?: object;
    readonly layers: readonly { readonly mediaType: string }[];
  };
}

async function inspect(slipway: Slipway, name: string): Promise<Inspected> {
  const lines = await slipway.must(['image', 'inspect', name]);
  const [found] = JSON.parse(lines.join('\n')) as [Inspected];
  return found;
}

/** The names in all layers of an image, and the text of `/said`. */
async function contents(owner: Owner, slipway: Slipway, name: string) {
  const folder = await tempDir(owner);
  const layout = path.join(folder, 'layout');
  await slipway.must(['copy', name, `oci:${layout}:it`]);
  const { layers } = (await inspect(slipway, name)).Manifest as unknown as {
    readonly layers: readonly { readonly digest: string }[];
  };
  const names: string[] = [];
  let said = '';
  for (const { digest } of layers) {
    const file = path.join(layout, 'blobs', ...digest.split(':'));
    const list = (await mustRun('tar', ['-tzf', file]))
      .split('\n')
      .map((each) => each.replace(/^\.?\//, ''));
    names.push(...list);
    if (list.includes('said')) said = await mustRun('tar', ['-xzOf', file, '--wildcards', '*said']);
  }
  return { names, said };
}

/** What each engine must do; `prepare` starts it once, for all of its cases. */
export function engineCases(
  title: string,
  skip: string | false,
  prepare: () => Promise<EngineUnderTest>,
): void {
  let engine: EngineUnderTest;
  const start = async (t: Owner) => {
    const slipway = await prepareSlipway(t);
    const build = (
      args: readonly string[],
      stdin: string | Uint8Array = '',
      env = {},
    ): Promise<RunResult> =>
      slipway.run(['build', '--engine', engine.name, ...(engine.options ?? []), ...args], {
        env: { ...engine.env, ...env },
        stdin,
      });
    return { slipway, build };
  };

  suite(`${title} builds`, { skip }, () => {
    before(async () => {
      engine = await prepare();
    });

    test('a folder into the local store', async (t) => {
      const { slipway, build } = await start(t);
      const folder = await makeContext(t, engine.base);
      const idFile = path.join(folder, '..', `${path.basename(folder)}.id`);
      const { code, stdout, stderr } = await build([
        ...['-t', 'app:1', '--build-arg', 'WORD=hello', '--target', 'base', '--iidfile', idFile],
        ...['--label', 'a=b', '--annotation', 'c=d', folder],
      ]);
      assert.equal(code, 0, stderr);
      const { Config, Descriptor, Manifest } = await inspect(slipway, 'app:1');
      assert.equal(stdout, `app:1@${Descriptor.digest}\n`);
      assert.equal(await readFile(idFile, 'utf8'), Descriptor.digest);
      assert.match(stderr, new RegExp(`^building with ${engine.name} \\d`, 'm'));
      assert.deepEqual(Config.Entrypoint, ['/bin/cat', '/said']);
      const labels = Config.Labels as Record<string, string>;
      assert.equal(labels.a, 'b');
      assert.equal(labels.stage, undefined, 'a later stage was built');
      assert.equal((Manifest.annotations as Record<string, string>).c, 'd');
      for (const { mediaType } of Manifest.layers) assert.match(mediaType, /tar\+gzip$/);
      const { names, said } = await contents(t, slipway, 'app:1');
      assert.equal(said, 'said hello');
      assert.ok(names.includes('context/sub/file') && names.includes('context/link'), names.join());
      assert.ok(!names.some((name) => name.endsWith('.key')), 'what is ignored was sent');
    });

    test('what stands on standard input: a tar file, a Dockerfile', async (t) => {
      const { slipway, build } = await start(t);
      const folder = await makeContext(t, engine.base);
      const tar = path.join(await tempDir(t), 'context.tgz');
      await mustRun('tar', ['-C', folder, '-czf', tar, '.']);
      const fromTar = await build(['-t', 'tar', '-'], await readFile(tar));
      assert.equal(fromTar.code, 0, fromTar.stderr);
      assert.equal((await contents(t, slipway, 'tar')).said, 'said none');
      const file = `FROM ${engine.base}\nCOPY sub /copied\n`;
      const both = await build(['-t', 'both', '-f', '-', folder], file);
      assert.equal(both.code, 0, both.stderr);
      assert.ok((await contents(t, slipway, 'both')).names.includes('copied/file'));
    });

    test('until a step fails, which it tells, ending with 20', async (t) => {
      const { build } = await start(t);
      const { code, stdout, stderr } = await build(['-'], `FROM ${engine.base}\nRUN exit 7\n`);
      assert.equal(code, 20, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /slipway: the build failed.*\b7\b/);
    });

    test('with a secret for a command, and for nobody else', async (t) => {
      const { slipway, build } = await start(t);
      const words = 'not for everybody';
      const count = 'cat /run/secrets/s | wc -c > /said';
      const file = `FROM ${engine.base}\nRUN --mount=type=secret,id=s ${count}\n`;
      const args = ['-t', 'secret', '--secret', 'id=s,env=THE_SECRET', '-'];
      const { code, stderr } = await build(args, file, { THE_SECRET: words });
      if (!engine.hasSecrets) {
        assert.equal(code, 21);
        assert.match(stderr, /takes no secrets/);
        return;
      }
      assert.equal(code, 0, stderr);
      const { said } = await contents(t, slipway, 'secret');
      assert.equal(said.trim(), String(words.length));
      assert.ok(!stderr.includes(words));
      const all = JSON.stringify(await inspect(slipway, 'secret'));
      assert.ok(!all.includes(words));
    });
  });
}
