// The evaluator of connections/rules.py's `as_json()`: pure, the same answers as `check()` there.
// tests/spec/rules.json is run through both.

const isMet = ({ path, values, negate, pattern }, answers) => {
  const answer = answers[path] ?? null;
  return (pattern ? new RegExp(pattern).test(String(answer ?? "")) : values.includes(answer)) !== negate;
};
const holds = (rule, answers) => rule.when.every((condition) => isMet(condition, answers));
const isFilled = (path, answers) =>
  Object.entries(answers).some(
    ([name, value]) => (name === path || name.startsWith(`${path}.`)) && value !== null && value !== "",
  );

function reasons(rules, effect, answers, wanted = true) {
  const found = rules.filter((rule) => rule.effect === effect && holds(rule, answers) === wanted);
  return Object.fromEntries(found.map((rule) => [rule.path, rule.reason]));
}

/**
 * What the rules say for `answers` (path -> typed value): forced as path -> value, all else as path -> reason. A field
 * without an "applies" rule always applies; a hidden field is never required, nor in doubt.
 */
export function check(answers, rules) {
  const hidden = reasons(rules, "applies", answers, false);
  const required = reasons(rules, "required", answers);
  const warned = reasons(rules, "warned", answers);
  const refused = reasons(rules, "refused", answers);
  for (const [path, reason] of Object.entries(reasons(rules, "advised", answers, false))) {
    if (isFilled(path, answers)) warned[path] = `usually ${reason}; it is sent as it stands`;
    else hidden[path] = reason;
  }
  for (const path of Object.keys(hidden)) for (const found of [required, warned, refused]) delete found[path];
  const forcing = rules.filter((rule) => rule.effect === "forced" && holds(rule, answers));
  return {
    hidden,
    required,
    forced: Object.fromEntries(forcing.map((rule) => [rule.path, rule.value])),
    no_effect: reasons(rules, "no_effect", answers),
    warned,
    refused,
  };
}

/** Why `value` would be refused at `path` beside the other answers; undefined where it would not. */
export function whyRefused(path, value, answers, rules) {
  const then = { ...answers, [path]: value };
  return rules.find((rule) => rule.path === path && rule.effect === "refused" && holds(rule, then))?.reason;
}

/** Why `path` is forced by the rules that hold, in words; undefined where it is not. */
export function whyForced(path, answers, rules) {
  return rules.find((rule) => rule.path === path && rule.effect === "forced" && holds(rule, answers))?.reason;
}
