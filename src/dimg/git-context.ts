import type { BuildContext } from '../build/engine.ts';
import { spool } from '../bytes/spool.ts';
import { type Bytes, collect } from '../bytes/stream.ts';
import { TAR_END, tarHeader, tarPadding } from '../bytes/tar-write.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Git } from './git.ts';
import type { MappedFile } from './git-files.ts';

/** A context of a build that is open until it is closed. */
export interface OpenContext {
  readonly context: BuildContext;
  close(): Promise<void>;
}

const MAX_LINK_BYTES = 64 * 1024;

/** Files that lie below one folder of a context. */
export interface MappedRoot {
  readonly root: string;
  readonly files: readonly MappedFile[];
}

/**
 * Files of git as the context of a build, those of each mapping below a folder `root`.
 *
 * @param root a folder of the context, so that many mappings fit into one
 */
export async function gitContext(
  git: Git,
  mapped: readonly MappedRoot[],
  { spoolDir, signal }: Signalled & { readonly spoolDir: string },
): Promise<OpenContext> {
  const files = mapped.flatMap(({ root, files }) =>
    files.map((file) => ({ ...file, name: `${root}/${file.name}` })),
  );
  const objects = files.map(({ object }) => object);
  const kept = await git.contents(objects, spoolDir, async (contents) => {
    const tar = async function* (): Bytes {
      const next = files[Symbol.iterator]();
      for await (const { sizeBytes, bytes } of contents) {
        const { value: file } = next.next();
        if (file === undefined) break;
        if (file.kind === 'symlink') {
          const linkName = (await collect(bytes, MAX_LINK_BYTES, file.path)).toString();
          yield tarHeader({ name: file.name, sizeBytes: 0, type: 'symlink', linkName });
          continue;
        }
        const mode = file.kind === 'executable' ? 0o755 : 0o644;
        yield tarHeader({ name: file.name, sizeBytes, mode });
        yield* bytes;
        yield tarPadding(sizeBytes);
      }
      if (next.next().done !== true) {
        throw new SlipwayError('COMMAND_FAILED', 'git gave fewer files than it was asked for');
      }
      yield TAR_END;
    };
    return await spool(tar(), { dir: spoolDir, what: 'the files of git', signal });
  });
  const { handle, sizeBytes } = kept;
  return {
    context: { kind: 'tar', name: 'the files of git', handle, sizeBytes },
    close: () => kept.close(),
  };
}
