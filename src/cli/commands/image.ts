import type { Command } from 'commander';
import { type Cli, newCommand } from '../command.ts';
import { historyCommand } from './image-history.ts';
import { inspectCommand } from './image-inspect.ts';
import { pruneCommand } from './image-prune.ts';
import { command as images } from './images.ts';
import { command as load } from './load.ts';
import { command as pull } from './pull.ts';
import { command as push } from './push.ts';
import { command as rmi } from './rmi.ts';
import { command as save } from './save.ts';
import { command as tag } from './tag.ts';

/** `slipway image …`: docker's long names of the commands for local images. */
export function command(cli: Cli): Command {
  const image = newCommand('image', 'look at local images and tidy up');
  for (const child of [
    inspectCommand(cli),
    historyCommand(cli),
    pruneCommand(cli),
    images(cli).name('ls').alias('list'),
    rmi(cli).name('rm').alias('remove'),
    load(cli),
    save(cli),
    tag(cli),
    pull(cli),
    push(cli),
  ]) {
    image.addCommand(child);
  }
  return image;
}
