//! Scripts that are nested too deeply for those who parse them: the engine, and the host, which takes types out of them and looks
//! for what they export.

use crate::answers;
use crate::harness::Place;
use std::time::Duration;
use warren_kernel::process::ExitStatus;

const LIMIT: Duration = Duration::from_secs(50);

/// Ways of being deep: what a level begins with, what is in the middle, what it ends with.
const WAYS: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{", "", "}"),
    ("a=>", "1", ""),
    ("(a=1)=>", "1", ""),
    ("!", "1", ""),
    ("- ", "1", ""),
    ("~", "1", ""),
    ("typeof ", "1", ""),
    ("void ", "1", ""),
    ("delete ", "a", ""),
    ("new ", "A", ""),
    ("new (", "A", ")"),
    ("await ", "1", ""),
    ("a?b:", "1", ""),
    ("a?", "1", ":b"),
    ("a=", "1", ""),
    ("a+", "1", ""),
    ("a.", "a", ""),
    ("a?.", "a", ""),
    ("a**", "1", ""),
    ("a&&", "1", ""),
    ("a??", "1", ""),
    ("a,", "1", ""),
    ("", "f", "()"),
    ("", "f", "[0]"),
    ("", "f", "``"),
    ("`${", "1", "}`"),
    ("({a:", "1", "})"),
    ("(function(){", "", "})"),
    ("class A{static{", "", "}}"),
    ("(class extends ", "A", "{})"),
    ("if(a)", ";", ""),
    ("if(a);else ", ";", ""),
    ("if(a){}else ", ";", ""),
    ("while(a)", ";", ""),
    ("for(;;)", ";", ""),
    ("do ", ";", "while(a);"),
    ("with(a)", ";", ""),
    ("switch(a){default:", "", "}"),
    ("try{", "", "}finally{}"),
    ("l:", ";", ""),
    ("async()=>", "1", ""),
    ("(...a)=>", "1", ""),
    ("[a]=", "1", ""),
    ("f(", "1", ")"),
    ("x=function*(){yield ", "1", "}"),
    ("import(", "1", ")"),
    ("a in ", "1", ""),
    ("a instanceof ", "b", ""),
];

/// The same, in types.
const TYPED: &[(&str, &str, &str)] = &[
    ("let x: A<", "B", ">"),
    ("type T = (", "B", ")"),
    ("type T = [", "B", "]"),
    ("type T = {a:", "B", "}"),
    ("type T = keyof ", "B", ""),
    ("type T = B", "", "[]"),
    ("type T = A extends B ? C : ", "D", ""),
    ("type T = () => ", "B", ""),
    ("type T = `${", "B", "}`"),
    ("type T = A | ", "B", ""),
    ("type T = A.", "B", ""),
    ("<T>", "x", ""),
    ("x", "", " as T"),
    ("x", "", "!"),
    ("x", "", " satisfies T"),
    ("namespace A {", "", "}"),
    ("namespace A.", "B", ""),
    ("f<A>(", "1", ")"),
    ("a?(b):", "c", ""),
    ("a?(b)=>", "c", ":d"),
    ("(a?", "c", ":d)"),
    ("async <T>(x) => ", "1", ""),
];

fn deep((begin, middle, end): &(&str, &str, &str), count: usize) -> String {
    // What declares something does so once.
    let (head, begin) = ["type T = ", "let x: "]
        .iter()
        .find_map(|head| Some((*head, begin.strip_prefix(head)?)))
        .unwrap_or(("", begin));
    match (head, begin.strip_suffix("")) {
        ("type T = ", Some("B")) => format!("type T = B{}", end.repeat(count)),
        _ if *end == " as T" || *end == "!" || *end == " satisfies T" => format!("x{}", end.repeat(count)),
        _ => format!("{head}{}{middle}{}", begin.repeat(count), end.repeat(count)),
    }
}

fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    WAYS.iter().chain(TYPED)
}

#[test]
fn typescript_of_any_depth_ends_in_an_error_or_runs() {
    let place = Place::new();
    for count in depths(&[9_000, 3_000, 200_000]) {
        for (number, way) in all().enumerate() {
            place.file(&format!("/home/agent/deep/{number}.ts"), &format!("export {{}};\n{}", deep(way, count)));
        }
        let script = format!(
            "(async () => {{ const wrong = []; let errors = 0; for (let n = 0; n < {}; n++) {{ const at = Date.now(); try {{ await import('/home/agent/deep/' + n + '.ts?{count}'); }} catch (e) {{ errors++; }} if (Date.now() - at > 1000) console.error(n, Date.now() - at); }} console.log(wrong.join(), errors > 40); }})()",
            all().count()
        );
        let ended = place.node_killed_after(&["-e", &script], LIMIT);
        assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), " true\n"), "{count}: {}", ended.err);
    }
    answers(&place);
}

#[test]
fn scripts_of_any_depth_are_looked_through_for_what_they_export() {
    let place = Place::new();
    for count in depths(&[9_000, 200_000]) {
        for (number, way) in WAYS.iter().enumerate() {
            // Both words, so that it is looked at whether it is a module.
            place.file(
                &format!("/home/agent/deep/{number}.js"),
                &format!("// import export\n() => {{\n{}\n}}; exports.a = 1", deep(way, count)),
            );
        }
        let script = format!(
            "(async () => {{ let done = 0; for (let n = 0; n < {}; n++) {{ try {{ require('fs').writeSync(2, n + ' '); const at = Date.now(); await import('/home/agent/deep/' + n + '.js?{count}').catch(() => {{}}); if (Date.now() - at > 1000) console.error(n, Date.now() - at); }} catch (e) {{}} try {{ require('/home/agent/deep/' + n + '.js'); }} catch (e) {{}} done++; }} console.log(done); }})()",
            WAYS.len()
        );
        let ended = place.node_killed_after(&["-e", &script], LIMIT);
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (ExitStatus::Exited(0), format!("{}\n", WAYS.len()).as_str()),
            "{count}: {}",
            ended.err
        );
    }
    answers(&place);
}

#[test]
fn types_are_taken_out_of_text_of_any_depth() {
    let place = Place::new();
    let script = format!(
        "const {{ stripTypeScriptTypes: strip }} = require('module'); const ways = {}; const deep = ([b, m, e], n) => b.repeat(n) + m + e.repeat(n); const wrong = []; \
         for (const n of [2000, 9000, 100000]) for (const way of ways) for (const mode of ['strip', 'transform']) {{ const at = Date.now(); setImmediate(() => 0); try {{ strip(deep(way, n), {{ mode }}); }} catch (e) {{ if (e.name !== 'SyntaxError' && !e.code) wrong.push(way + e.name); }} if (Date.now() - at > 1000) console.error(way, n, mode, Date.now() - at); }} \
         try {{ strip('('.repeat(1e6)); }} catch (e) {{ wrong.push(e.name, /nested too deeply/.test(e.message)); }} console.log(wrong.join())",
        serde_list(&chosen())
    );
    let ended = place.node_killed_after(&["--no-warnings", "-e", &script], LIMIT);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "SyntaxError,true\n"), "{}", ended.err);
    answers(&place);
}

fn is_long() -> bool {
    std::env::var_os("LONG_TESTS").is_some()
}

/// The first, or all.
fn depths(all: &[usize]) -> impl Iterator<Item = usize> {
    all.iter().copied().take(if is_long() { all.len() } else { 1 })
}

/// Some of the ways, so that the suite takes no minutes; all if `LONG_TESTS` is set.
fn chosen() -> Vec<(&'static str, &'static str, &'static str)> {
    let step = if is_long() { 1 } else { 6 };
    WAYS.iter().copied().step_by(step).collect()
}

fn serde_list(ways: &[(&str, &str, &str)]) -> String {
    let one = |(begin, middle, end): &(&str, &str, &str)| format!("[{begin:?},{middle:?},{end:?}]");
    format!("[{}]", ways.iter().map(one).collect::<Vec<_>>().join(","))
}

#[test]
fn what_people_write_is_not_too_deep() {
    let place = Place::new();
    let long = (0..4000).map(|n| format!("'part {n}'")).collect::<Vec<_>>().join(" +\n ");
    let lines = (0..30_000).map(|n| format!("f(a.b.c[{n}], x => x.y.z({n}))\n")).collect::<String>();
    let objects = (0..30_000).map(|n| format!("{{a: {n}, b: c.d + {n}}},")).collect::<String>();
    let classes = (0..2000)
        .map(|n| {
            format!(
                "class C{n} {{ a(): number {{ return this.b.c }} get x() {{ return 1 }} #p = 1; static s = f(1)\n}}\n"
            )
        })
        .collect::<String>();
    let nested =
        "{ if (a) { f(function () { return [ (() => ({ a: ".repeat(40) + "1" + " }))() ] }) } }".repeat(40).as_str();
    place.file(
        "/home/agent/real.ts",
        &format!("const a: any = false, f: any = () => 1, c: any = {{}};\nif (a) {{ {nested} }}\nconst s: string = {long};\nfunction never() {{ let x: any;\n{lines} }}\nfunction list() {{ return [{objects}] }}\n{classes}\nconsole.log(s.length)"),
    );
    let ended = place.node_killed_after(&["real.ts"], LIMIT);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "34890\n"), "{}", ended.err);
}

#[test]
fn attempts_within_attempts_take_no_longer_than_they_may() {
    let place = Place::new();
    for (number, begin) in ["a?(b", "a?(", "(a:b=", "f<T>(", "(a,b=(", "async(a=", "<T>(x:"].into_iter().enumerate() {
        place.file(&format!("/home/agent/{number}.ts"), &begin.repeat(400));
        let ended = place.node_killed_after(&[&format!("{number}.ts")], LIMIT);
        assert!(ended.status == ExitStatus::Exited(1) && ended.err.contains("SyntaxError"), "{begin}: {ended:?}");
    }
    answers(&place);
}

#[test]
fn the_engines_own_parsers_end_in_errors() {
    let place = Place::new();
    let script = format!(
        "const ways = {}; const deep = ([b, m, e], n) => b.repeat(n) + m + e.repeat(n); const wrong = []; const fits = (e) => e instanceof SyntaxError || e instanceof RangeError; \
         for (const n of [5000, 100000]) for (const way of ways) {{ try {{ new Function(deep(way, n)); }} catch (e) {{ if (!fits(e)) wrong.push(way); }} try {{ new (require('vm').Script)(deep(way, n)); }} catch (e) {{ if (!fits(e)) wrong.push(way); }} }} \
         for (const [b, m, e] of [['(', 'a', ')'], ['(?:', 'a', ')'], ['(?=', 'a', ')'], ['(?<=', 'a', ')'], ['a|', 'a', ''], ['[', 'a', ']'], ['(a', '', ')*'], ['a{{1,2}}', '', '']]) for (const flags of ['', 'u', 'v']) try {{ new RegExp(b.repeat(50000) + m + e.repeat(50000), flags).test('a'); }} catch (e) {{ if (!fits(e)) wrong.push(b); }} \
         for (const text of ['['.repeat(1e6) + ']'.repeat(1e6), '{{\"a\":'.repeat(1e6) + '1' + '}}'.repeat(1e6), '['.repeat(1e7)]) try {{ JSON.parse(text); }} catch (e) {{ if (!fits(e)) wrong.push('json'); }} \
         console.log(wrong.join())",
        serde_list(&chosen())
    );
    let ended = place.node_killed_after(&["-e", &script], LIMIT);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(0), "\n"), "{}", ended.err);
    answers(&place);
}
