import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, resolve } from 'node:path';
import { type ArchiveInput, openInput } from '../archive/input.ts';
import { type Bytes, collect, fileError, readHandleBytes } from '../bytes/stream.ts';
import { type TarEntry, tarEntries } from '../bytes/tar-entries.ts';
import { parseTarHeader, TAR_BLOCK_BYTES } from '../bytes/tar-header.ts';
import { tarInput } from '../bytes/tar-index.ts';
import type { Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { readSmallFile } from '../layout/files.ts';
import type { BuildContext, BuildRequest, Dockerfile } from './engine.ts';
import { isGitContext } from './git-context.ts';

/** What a user says about what is to be built. */
export interface BuildWords extends Signalled {
  /** folder, git URL, or `-` for standard input: a tar file or a Dockerfile */
  readonly context: string;
  /** path of the Dockerfile, `-` for standard input; left out it is found in the context */
  readonly file?: string | undefined;
  /** what is built in a folder instead of a file */
  readonly dockerfile?: Dockerfile;
  readonly stdin: Bytes;
  /** folder on whose disk a context from standard input is kept meanwhile */
  readonly spoolDir: string;
}

/** The parts of a {@link BuildRequest} that say what is built. */
export interface BuildInput
  extends Pick<BuildRequest, 'context' | 'dockerfile' | 'dockerfileInContext'> {
  close(): Promise<void>;
}

const MAX_DOCKERFILE_BYTES = 4 * 1024 * 1024;

/**
 * Opens a context and reads its Dockerfile, by docker's rules.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `USAGE`, `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`
 */
export async function readBuildInput(words: BuildWords): Promise<BuildInput> {
  const { dockerfile } = words;
  if (dockerfile !== undefined) {
    const path = await folderAt(words.context);
    return {
      context: { kind: 'folder', path },
      dockerfile: await withIgnore(dockerfile, path),
      close: async () => {},
    };
  }
  if (words.context === '-') {
    if (words.file === '-') {
      throw new SlipwayError('USAGE', 'standard input is either the context or the Dockerfile', {
        hint: 'name a folder, or leave -f - out',
      });
    }
    return await fromStandardInput(words);
  }
  if (isGitContext(words.context)) {
    return {
      context: { kind: 'git', url: words.context },
      ...(words.file === undefined ? {} : { dockerfileInContext: words.file }),
      close: async () => {},
    };
  }
  return { ...(await fromFolder(words)), close: async () => {} };
}

async function fromFolder(
  words: BuildWords,
): Promise<Pick<BuildRequest, 'context' | 'dockerfile'>> {
  const path = await folderAt(words.context);
  const context: BuildContext = { kind: 'folder', path };
  if (words.file === '-') {
    const bytes = await collect(words.stdin, MAX_DOCKERFILE_BYTES, 'standard input');
    return { context, dockerfile: await withIgnore({ name: 'standard input', bytes }, path) };
  }
  // buildah's and podman's users call it Containerfile.
  const candidates = words.file === undefined ? ['Dockerfile', 'Containerfile'] : [words.file];
  for (const name of candidates) {
    const file = words.file === undefined ? join(path, name) : resolve(name);
    const bytes = await readSmallFile(file, MAX_DOCKERFILE_BYTES).catch((error: unknown) => {
      if (!isSlipwayError(error, 'ARCHIVE_INVALID')) throw error;
      throw new SlipwayError('FILE_NOT_FOUND', `${file} is not a file`, { path: file });
    });
    if (bytes !== undefined) {
      if (words.file === undefined) await checkInside(path, file);
      return { context, dockerfile: await withIgnore({ name, path: file, bytes }, path) };
    }
  }
  const missing = words.file === undefined ? join(path, 'Dockerfile') : resolve(words.file);
  throw new SlipwayError('FILE_NOT_FOUND', `there is no Dockerfile: ${missing}`, {
    path: missing,
    hint: 'name it with -f FILE, or say --entrypoint to build an image of the folder without one',
  });
}

/** A Dockerfile that is found and not named must not be a link to any file of this machine. */
async function checkInside(context: string, file: string): Promise<void> {
  const real = await realpath(file);
  const inside = relative(context, real);
  if (!inside.startsWith('..') && !isAbsolute(inside)) return;
  throw new SlipwayError('CONFIG_INVALID', `${file} is a link out of the context`, {
    path: file,
    hint: 'if it is what you mean, name it with -f',
  });
}

async function folderAt(text: string): Promise<string> {
  try {
    const path = await realpath(text);
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    throw fileError(text, error);
  }
  throw new SlipwayError('FILE_NOT_FOUND', `${text} is not a folder`, {
    path: text,
    hint: 'the context is a folder, a git URL, or - for standard input; a Dockerfile is named with -f',
  });
}

/** Docker's rule: the ignore file beside the Dockerfile that has its name, else the context's. */
async function withIgnore(dockerfile: Dockerfile, context: string): Promise<Dockerfile> {
  const beside = dockerfile.path === undefined ? [] : [`${dockerfile.path}.dockerignore`];
  for (const path of [...beside, join(context, '.dockerignore')]) {
    const ignore = await readIgnore(path);
    if (ignore !== undefined) return { ...dockerfile, ignore };
  }
  return dockerfile;
}

/** A link could name any file of this machine, whose lines errors might show. */
async function readIgnore(path: string): Promise<Buffer | undefined> {
  return await readSmallFile(path, MAX_DOCKERFILE_BYTES, { follow: false }).catch(
    (error: unknown) => {
      if (isSlipwayError(error, 'LIMIT_EXCEEDED')) throw error;
      throw new SlipwayError('CONFIG_INVALID', `${path} can't be read as a regular file`, {
        path,
        hint: 'a link is not followed: it could name any file of this machine',
        cause: error,
      });
    },
  );
}

async function fromStandardInput(words: BuildWords): Promise<BuildInput> {
  const { stdin, spoolDir, signal, file } = words;
  const input = await openInput('-', { stdin, spoolDir, signal });
  const { handle, sizeBytes, name } = input;
  const close = () => input.close();
  try {
    const read = (start: number, length: number) =>
      collect(readHandleBytes(handle, name, { start, length }), MAX_DOCKERFILE_BYTES, name);
    if (!(await isTar(read, sizeBytes))) {
      if (file !== undefined) {
        throw new SlipwayError('USAGE', `${file} can't be found: standard input is no tar file`, {
          hint: 'leave -f out where standard input is the Dockerfile itself',
        });
      }
      const bytes = await read(0, sizeBytes);
      return { context: { kind: 'empty' }, dockerfile: { name, bytes }, close };
    }
    const wanted = file ?? 'Dockerfile';
    const found = await findFile(input, wanted, signal);
    if (found === undefined) {
      throw new SlipwayError('FILE_NOT_FOUND', `${name} holds no file ${JSON.stringify(wanted)}`, {
        hint: 'name the Dockerfile inside of the tar file with -f',
      });
    }
    return {
      context: { kind: 'tar', name, handle, sizeBytes },
      dockerfile: { name: wanted, bytes: await read(found.offset, found.sizeBytes) },
      ...(file === undefined ? {} : { dockerfileInContext: file }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function isTar(
  read: (start: number, length: number) => Promise<Uint8Array>,
  sizeBytes: number,
): Promise<boolean> {
  if (sizeBytes < TAR_BLOCK_BYTES) return false;
  const block = Buffer.from(await read(0, TAR_BLOCK_BYTES));
  // Text has no zero bytes; a header has, and a checksum.
  if (!block.includes(0)) return false;
  try {
    parseTarHeader(block, 'the first entry');
    return true;
  } catch {
    return false;
  }
}

/** The last file of that name, as unpacking would leave it. Links are not followed. */
async function findFile(
  { handle, name, sizeBytes }: ArchiveInput,
  wanted: string,
  signal: AbortSignal | undefined,
): Promise<TarEntry | undefined> {
  let found: TarEntry | undefined;
  const path = posix.normalize(wanted);
  for await (const entry of tarEntries(tarInput(handle, sizeBytes), { what: name, signal })) {
    if (posix.normalize(entry.name) === path) found = entry.type === 'file' ? entry : undefined;
  }
  return found;
}
