import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { MAIN } from './main.ts';
import { type RunOptions, type RunResult, run, startDaemon } from './programs.ts';

/** The command with a home of its own: nothing of the user's configuration is seen or changed. */
export interface Slipway {
  /** `HOME`, `SLIPWAY_HOME`, `DOCKER_CONFIG` … */
  readonly env: Readonly<Record<string, string>>;
  /** folder of the local store and its tables */
  readonly home: string;
  /** Runs `slipway …`, whatever comes out. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs `slipway …`, which must succeed, and gives its standard output's lines. */
  must(args: readonly string[], options?: RunOptions): Promise<readonly string[]>;
  /** Writes `USER:PASSWORD` of each host into the docker configuration that it reads. */
  knowPasswords(passwords: Readonly<Record<string, string>>): Promise<void>;
  /** Starts `slipway registry serve …` on a free port and gives its `127.0.0.1:PORT`. */
  serve(args?: readonly string[]): Promise<string>;
}

/** Prepares the command with an empty home. */
export async function prepareSlipway(owner: Owner): Promise<Slipway> {
  const folder = await tempDir(owner);
  const home = path.join(folder, 'slipway');
  const env = {
    HOME: folder,
    SLIPWAY_HOME: home,
    DOCKER_CONFIG: path.join(folder, 'docker'),
    // Tests that want an engine start one; that of this machine is none of their business.
    DOCKER_HOST: `unix://${path.join(folder, 'no-engine')}`,
    // Where compiled code is kept, for all tests together.
    XDG_CACHE_HOME: path.resolve(import.meta.dirname, '../../node_modules/.cache'),
    XDG_CONFIG_HOME: path.join(folder, 'config'),
    XDG_RUNTIME_DIR: path.join(folder, 'run'),
    SLIPWAY_CERTS_D: path.join(folder, 'certs.d'),
    TMPDIR: folder,
    NO_COLOR: '1',
  };
  const runSlipway = (args: readonly string[], options: RunOptions = {}) =>
    run(process.execPath, [MAIN, ...args], { ...options, env: { ...env, ...options.env } });
  return {
    env,
    home,
    run: runSlipway,
    async must(args, options) {
      const { code, stdout, stderr } = await runSlipway(args, options);
      if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}: ${stderr}`);
      return stdout.trimEnd().split('\n');
    },
    async knowPasswords(passwords) {
      const auths = Object.fromEntries(
        Object.entries(passwords).map(([host, password]) => [
          host,
          { auth: Buffer.from(password).toString('base64') },
        ]),
      );
      await mkdir(env.DOCKER_CONFIG, { recursive: true });
      const file = path.join(env.DOCKER_CONFIG, 'config.json');
      await writeFile(file, JSON.stringify({ auths }), { mode: 0o600 });
    },
    async serve(args = []) {
      const serve = [MAIN, 'registry', 'serve', '--listen', '127.0.0.1:0', ...args];
      let host = '';
      await startDaemon(owner, process.execPath, serve, env, (log) => {
        host = /127\.0\.0\.1:[1-9][0-9]*/.exec(log)?.[0] ?? '';
        return host !== '';
      });
      return host;
    },
  };
}
