import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from '../rig/lifetime.ts';

/** A folder for PATH with one credential helper in it: a shell script. */
export interface FakeHelper {
  readonly name: string;
  readonly folder: string;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  /** What it was asked, in order: `ACTION INPUT`. */
  calls(): Promise<readonly string[]>;
}

/** Makes a helper out of the lines of a script; `$input` is what it reads and `$1` the action. */
export async function fakeHelper(owner: Owner, script: string, name = 'fake'): Promise<FakeHelper> {
  const folder = path.join(await tempDir(owner), 'bin');
  await mkdir(folder);
  const program = path.join(folder, `docker-credential-${name}`);
  const journal = path.join(folder, 'calls');
  const lines = ['#!/bin/sh', 'input=$(cat)', `echo "$1 $input" >>'${journal}'`, script, ''];
  await writeFile(program, lines.join('\n'));
  await chmod(program, 0o755);
  await chmod(folder, 0o755);
  return {
    name,
    folder,
    program,
    env: { PATH: `${folder}:/usr/bin:/bin`, HOME: folder },
    async calls() {
      const text = await readFile(journal, 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

/** A line that prints a login. */
export function says(username: string, secret: string): string {
  return `echo '${JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret })}'`;
}

/** How docker's helpers say that they know nothing. */
export const SAYS_NOTHING = "echo 'credentials not found in native keychain'; exit 1";
