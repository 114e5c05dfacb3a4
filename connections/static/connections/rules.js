// The evaluator of connections/rules.py's `as_json()`: pure, the same answers as `check()` there.
// tests/cases/rules.json is run through both.

const holds = (rule, answers) =>
  rule.when.every((condition) => condition.values.includes(answers[condition.path] ?? null) !== condition.negate);

function reasons(rules, effect, answers, wanted = true) {
  const found = rules.filter((rule) => rule.effect === effect && holds(rule, answers) === wanted);
  return Object.fromEntries(found.map((rule) => [rule.path, rule.reason]));
}

/**
 * What the rules say for `answers` (path -> typed value): hidden, required and no_effect as path -> reason, forced as
 * path -> value. A field without an "applies" rule always applies; a hidden field is never required.
 */
export function check(answers, rules) {
  const hidden = reasons(rules, "applies", answers, false);
  const required = reasons(rules, "required", answers);
  for (const path of Object.keys(hidden)) delete required[path];
  const forcing = rules.filter((rule) => rule.effect === "forced" && holds(rule, answers));
  return {
    hidden,
    required,
    forced: Object.fromEntries(forcing.map((rule) => [rule.path, rule.value])),
    no_effect: reasons(rules, "no_effect", answers),
  };
}

/** Why `path` is forced by the rules that hold, in words; undefined where it is not. */
export function whyForced(path, answers, rules) {
  return rules.find((rule) => rule.path === path && rule.effect === "forced" && holds(rule, answers))?.reason;
}
