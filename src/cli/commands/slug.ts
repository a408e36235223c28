import type { Command } from 'commander';
import { slug, wantsShortSlugs } from '../../dimg/slug.ts';
import { type Cli, newCommand } from '../command.ts';

/** `slipway slug TEXT…` */
export function command({ output }: Cli): Command {
  return newCommand('slug', 'make a tag or part of a host name of any text, as werf does')
    .argument('<TEXT...>', 'several are joined with blanks')
    .action((texts: string[]) => {
      output.out(`${slug(texts.join(' '), { short: wantsShortSlugs(process.env) })}\n`);
    });
}
