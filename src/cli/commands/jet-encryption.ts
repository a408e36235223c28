import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { collect, readFileBytes } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { decrypt, type EncryptionFormat, encrypt } from '../../jet/encryption.ts';
import { exposure } from '../../jet/exposed.ts';
import { findKey, generateKey, KEY_FILE, readKey } from '../../jet/key.ts';
import { isTracked, wouldBeAdded } from '../../jet/tracked.ts';
import { replaceFile } from '../../layout/files.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';

interface KeyFlags {
  readonly keyPath?: string;
  readonly dir: string;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;

function addKeyFlags(command: Command): Command {
  return command
    .option('--key-path <FILE>', `the AES key (default: ${KEY_FILE} in the project's folder)`)
    .option('--dir <DIR>', "the project's folder", '.');
}

/** `slipway jet generate` */
export function generateCommand(cli: Cli): Command {
  return addKeyFlags(newCommand('generate', 'make an AES key file'))
    .addHelpText('after', '\nThe file is for its owner alone (0600), and never replaces another.')
    .action(async (flags: KeyFlags) => {
      await run(cli, { quiet: true }, [], async ({ output, signal }) => {
        const { keyPath = join(flags.dir, KEY_FILE) } = flags;
        const path = resolve(keyPath);
        await generateKey(path);
        output.out(`${path}\n`);
        if (await wouldBeAdded(path, { signal })) {
          output.err(`add ${basename(path)} to .gitignore: who has the key can decrypt all\n`);
        }
      });
    });
}

/** `slipway jet encrypt IN OUT` */
export function encryptCommand(cli: Cli): Command {
  return addKeyFlags(newCommand('encrypt', 'encrypt a file with the AES key'))
    .argument('<IN>', 'the plain file; - is standard input')
    .argument('<OUT>', 'the encrypted file; - is standard output')
    .addOption(
      new Option(
        '--format <FORMAT>',
        "jet: what Codeship's jet reads; sealed: ours, in which changes are noticed",
      )
        .choices(['jet', 'sealed'])
        .default('jet'),
    )
    .action(async (from: string, to: string, flags: KeyFlags & { format: EncryptionFormat }) => {
      await run(cli, {}, [], async (context) => {
        const key = await keyFor(context, flags);
        if (from !== '-' && (await isTracked(resolve(from), context))) {
          warnOfTracked(context, from, 'the plain file');
        }
        const plain = await readInput(from);
        await writeOutput(context, to, Buffer.from(encrypt(plain, key, flags.format)), 0o644);
      });
    });
}

/** `slipway jet decrypt IN OUT` */
export function decryptCommand(cli: Cli): Command {
  return addKeyFlags(newCommand('decrypt', 'decrypt a file with the AES key'))
    .argument('<IN>', 'the encrypted file; - is standard input')
    .argument('<OUT>', 'the plain file, for its owner alone (0600); - is standard output')
    .action(async (from: string, to: string, flags: KeyFlags) => {
      await run(cli, {}, [], async (context) => {
        const key = await keyFor(context, flags);
        const name = from === '-' ? 'standard input' : from;
        const plain = decrypt((await readInput(from)).toString('latin1'), key, name);
        if (!isText(plain)) {
          const message = `what ${name} holds is no text: the key may be a wrong one`;
          context.emit({ type: 'warning', message });
        }
        await writeOutput(context, to, plain, 0o600);
        if (to !== '-' && (await isTracked(resolve(to), context))) {
          warnOfTracked(context, to, 'the plain file');
        }
      });
    });
}

async function keyFor(context: Context, flags: KeyFlags): Promise<Buffer> {
  const { keyPath, dir } = flags;
  const path = keyPath === undefined ? await findKey(resolve(dir)) : resolve(keyPath);
  const key = await readKey(path, (message) => context.emit({ type: 'warning', message }));
  if (await isTracked(path, context)) warnOfTracked(context, path, 'the key');
  return key;
}

function warnOfTracked({ emit }: Context, path: string, what: string): void {
  emit({ type: 'warning', message: exposure(what, path) });
}

async function readInput(path: string): Promise<Buffer> {
  return path === '-'
    ? await collect(process.stdin, MAX_FILE_BYTES, 'standard input')
    : await collect(readFileBytes(path), MAX_FILE_BYTES, path);
}

async function writeOutput(
  { output }: Context,
  path: string,
  bytes: Buffer,
  mode: number,
): Promise<void> {
  if (path !== '-') {
    return await replaceFile(path, `${path}.${process.pid}.slipway-tmp`, bytes, mode);
  }
  if (!isText(bytes) && process.stdout.isTTY === true) {
    throw new SlipwayError('USAGE', 'what is no text is not written to a terminal', {
      hint: 'name a file, or pipe it to a program',
    });
  }
  if (isText(bytes)) output.out(bytes.toString());
  else await new Promise((done) => process.stdout.write(bytes, done));
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return !bytes.includes(0);
  } catch {
    return false;
  }
}
