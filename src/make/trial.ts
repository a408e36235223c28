import { SlipwayError } from '../errors.ts';
import { ALL } from './architectures.ts';
import type { Call } from './call.ts';
import { presentArchitectures } from './push.ts';
import { runInImage } from './run-in-image.ts';

const SHELL = '/bin/sh';

/** `test`: runs the image's test command in it. */
export async function runTest(call: Call): Promise<void> {
  const { architecture } = call.variables;
  const all = architecture === ALL ? await presentArchitectures(call) : [architecture];
  for (const each of all) await testOne(call, each);
}

async function testOne(call: Call, architecture: string): Promise<void> {
  const { site, variables, settings, names } = call;
  const { image } = names.image(architecture, '');
  const flags = [`SKIP_TEST_${architecture}`, 'SKIP_TEST', `SKIP_${architecture}`];
  if (flags.some((flag) => variables.isSet(flag))) {
    site.say(`Skipping test: ${image.text}.`);
    return;
  }
  const command = variables.given('TESTCMD') ?? settings.test;
  if (command === undefined) {
    throw new SlipwayError('USAGE', 'there is no command to test the image with', {
      hint: "say TESTCMD='…', or make: test: in slipway.yaml",
    });
  }
  if (site.isDryRun) {
    site.tell(`${image.text}: ${command}`);
    return;
  }
  const interpreter = variables.given('CNTSHELL') ?? settings.shell ?? SHELL;
  const graph = await site.openLocal(image.reference);
  await runInImage(call, { architecture, image: graph, command, interpreter }, site.hear);
}
