use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

const NONCE: &str = "k7Qz91";

fn written(parsed: &Parsed) -> Vec<(String, String)> {
    parsed.files().into_iter().map(|file| (file.path, file.text)).collect()
}

fn one(path: &str, text: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), text.to_owned())]
}

#[test]
fn a_framed_file_keeps_its_bytes() {
    for text in [
        "",
        "\n",
        "\n\n",
        "a",
        "a\n",
        "a\r\nb\r\n",
        "a\r",
        "\r\n",
        "  x  ",
        "<<<",
        "<<<END",
        "a\n<",
        "&lt;b&gt; &amp;amp;",
        "<<<END other>>>\n",
        "```js\nx\n```",
        "<<<FILE b.txt>>>\n",
        "ñ🦀\u{0}",
    ] {
        let parsed = Parser::read(NONCE, &frame(NONCE, "a.txt", text));
        assert_eq!(written(&parsed), one("a.txt", text), "{text:?}");
        assert_eq!(parsed.explanation, "");
    }
}

#[test]
fn what_belongs_to_no_file_is_explanation() {
    let output = format!("Hola.\n{}\nAdiós.", frame(NONCE, "a.txt", "x"));
    let parsed = Parser::read(NONCE, &output);
    assert_eq!(parsed.explanation, "Hola.\n\nAdiós.");
    assert_eq!(written(&parsed), one("a.txt", "x"));
}

#[test]
fn a_frame_with_another_nonce_or_none_is_content() {
    let inner = "<<<FILE zzz b.txt>>>\nx\n<<<END zzz>>>\n<<<END>>>\n<<<FILE c.txt>>>\n";
    let parsed = Parser::read(NONCE, &frame(NONCE, "a.md", inner));
    assert_eq!(written(&parsed), one("a.md", inner));
    let parsed = Parser::read(NONCE, inner);
    assert!(parsed.changes.is_empty());
    assert_eq!(parsed.explanation, inner);
}

#[test]
fn a_refused_path_leaves_its_bytes_in_the_explanation() {
    for path in ["../x", "/etc/x", "C:\\x", "CON", ".git/config"] {
        let output = format!("Antes\n{}Después", frame(NONCE, path, "secreto\n"));
        let parsed = Parser::read(NONCE, &output);
        assert!(parsed.changes.is_empty(), "{path}");
        assert_eq!(parsed.explanation, output);
        assert_eq!(parsed.refused, [path]);
        let explained = parsed.explained(crate::ipc::Language::Es);
        assert!(explained.starts_with(&output) && explained.contains(&format!("«{path}»")));
    }
}

#[test]
fn the_same_path_twice_ends_with_the_later() {
    let output = frame(NONCE, "a.txt", "1") + &frame(NONCE, "./a.txt", "2");
    assert_eq!(written(&Parser::read(NONCE, &output)), one("a.txt", "2"));
}

#[test]
fn files_are_deleted_and_renamed_in_order() {
    let output = format!("<<<DELETE {NONCE} a.txt>>>\n<<<RENAME {NONCE} b.txt -> src/c.txt>>>\n");
    let parsed = Parser::read(NONCE, &output);
    assert_eq!(
        parsed.changes,
        [
            Change::Delete { path: "a.txt".into() },
            Change::Rename { from: "b.txt".into(), to: "src/c.txt".into() },
        ]
    );
    assert_eq!(parsed.explanation, "");
}

#[test]
fn a_header_is_one_line() {
    let output = format!("<<<FILE {NONCE} \na.txt>>>\nx\n");
    let parsed = Parser::read(NONCE, &output);
    assert!(parsed.changes.is_empty() && parsed.refused.is_empty());
    assert_eq!(parsed.explanation, output);
}

#[test]
fn a_forgotten_end_ends_at_the_next_header() {
    let output = format!("<<<FILE {NONCE} a>>>\n1\n<<<FILE {NONCE} b>>>\n2\n<<<END {NONCE}>>>");
    let files = Parser::read(NONCE, &output).files();
    let seen: Vec<_> = files.iter().map(|f| (f.path.as_str(), &*f.text, f.complete)).collect();
    assert_eq!(seen, [("a", "1", false), ("b", "2", true)]);
}

#[test]
fn a_cut_off_file_is_kept_as_unfinished() {
    let parsed = Parser::read(NONCE, &format!("<<<FILE {NONCE} a.txt>>>\nuno\ndos"));
    let file = &parsed.files()[0];
    assert_eq!((file.text.as_str(), file.complete), ("uno\ndos", false));
    let cut = format!("<<<FILE {NONCE} a.txt>>>\nuno\n<<<END {}", &NONCE[..3]);
    let parsed = Parser::read(NONCE, &cut);
    assert_eq!(parsed.files()[0].text, "uno");
    assert_eq!(parsed.explanation, "<<<END k7Q");
}

#[test]
fn an_end_behind_the_last_line_is_an_end() {
    let parsed = Parser::read(NONCE, &format!("<<<FILE {NONCE} a>>>\n</html><<<END {NONCE}>>>\n"));
    assert_eq!(written(&parsed), one("a", "</html>"));
}

#[test]
fn frames_with_crlf_keep_the_files_own_newlines() {
    let output = format!("<<<FILE {NONCE} a>>>\r\none\r\ntwo\r\n<<<END {NONCE}>>>\r\n");
    assert_eq!(written(&Parser::read(NONCE, &output)), one("a", "one\r\ntwo"));
    let output = format!("<<<FILE {NONCE} a>>>\none\r\n\n<<<END {NONCE}>>>\n");
    assert_eq!(written(&Parser::read(NONCE, &output)), one("a", "one\r\n"));
}

#[test]
fn fenced_blocks_with_a_name_are_files_when_nothing_is_framed() {
    let output = "Claro:\n\n```html index.html\n<p>hola</p>\n```\n\n**style.css**\n\n~~~css\np {}\n~~~\n\
                  ```js\n// src/app.js\nlet a = `x`;\n```\nListo.\n```sh\nnpm start\n```\n";
    let parsed = Parser::read(NONCE, output);
    assert_eq!(
        written(&parsed),
        [
            ("index.html".to_owned(), "<p>hola</p>\n".to_owned()),
            ("style.css".to_owned(), "p {}\n".to_owned()),
            ("src/app.js".to_owned(), "// src/app.js\nlet a = `x`;\n".to_owned()),
        ]
    );
    assert_eq!(parsed.explanation, "Claro:\n\n\n**style.css**\n\nListo.\n```sh\nnpm start\n```\n");
}

#[test]
fn a_fence_with_a_refused_name_stays_explanation() {
    let output = "```txt ../x.txt\nhola\n```\n";
    let parsed = Parser::read(NONCE, output);
    assert!(parsed.changes.is_empty());
    assert_eq!((parsed.explanation.as_str(), parsed.refused.len()), (output, 1));
}

#[test]
fn an_example_in_an_obedient_answer_overwrites_nothing() {
    let example = "Por ejemplo:\n```html index.html\n<p>\n```\n";
    let output = format!("{example}{}", frame(NONCE, "a.txt", "x"));
    let parsed = Parser::read(NONCE, &output);
    assert_eq!(written(&parsed), one("a.txt", "x"));
    assert_eq!(parsed.explanation, example);
}

#[test]
fn a_frame_inside_a_fence_is_a_frame() {
    let output = format!("```\n{}```\n", frame(NONCE, "a.txt", "x"));
    assert_eq!(written(&Parser::read(NONCE, &output)), one("a.txt", "x"));
}

#[test]
fn pieces_tell_the_same_as_the_whole() {
    let output = format!("Hola\n{}fin", frame(NONCE, "a.txt", "uno\ndos\n"));
    let mut parser = Parser::new(NONCE);
    let mut pieces: Vec<Piece> = Vec::new();
    for character in output.chars() {
        pieces.extend(parser.push(&character.to_string()));
    }
    let parsed = parser.finish();
    pieces.extend(parsed.last_pieces.clone());
    let (mut explanation, mut text) = (String::new(), String::new());
    for piece in &pieces {
        match piece {
            Piece::Explanation { text } => explanation.push_str(text),
            Piece::FileText { text: more, .. } => text.push_str(more),
            _ => {}
        }
    }
    assert_eq!((explanation, text), (parsed.explanation, "uno\ndos\n".to_owned()));
    assert!(pieces.contains(&Piece::FileEnded { path: "a.txt".into() }));
}

#[test]
fn a_long_output_is_read_in_time_that_grows_with_it_and_not_faster() {
    // A quadratic reader would take minutes for these four megabytes.
    let lines = format!("una línea\n<<<FILE {NONCE} sin cierre\n").repeat(100_000);
    let parsed = Parser::read(NONCE, &lines);
    assert_eq!(parsed.explanation.len(), lines.len());
}

/// Text made of what could confuse the scanner.
fn confusing() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("<".to_owned()),
        Just("<<<".to_owned()),
        Just(">>>".to_owned()),
        Just("<<<END ".to_owned()),
        Just("<<<END other>>>".to_owned()),
        Just("<<<FILE other b.txt>>>".to_owned()),
        Just("```".to_owned()),
        Just("```html index.html\n".to_owned()),
        Just("~~~~".to_owned()),
        Just("// a.js".to_owned()),
        Just("**x.css**".to_owned()),
        Just(format!("<<<END {}", &NONCE[..4])),
        "[a-zñ🦀 &;]{0,6}",
    ];
    proptest::collection::vec(word, 0..14).prop_map(|words| words.concat())
}

/// Any of it, real markers too.
fn hostile() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => confusing(),
        1 => Just(format!("<<<FILE {NONCE} a.txt>>>\n")),
        1 => Just(format!("<<<FILE {NONCE} ../b>>>\r\n")),
        1 => Just(format!("<<<FILE {NONCE} c>>>  ")),
        1 => Just(format!("<<<FILE {NONCE} ")),
        1 => Just(format!("\n<<<END {NONCE}>>>")),
        1 => Just(format!("<<<END {NONCE}>>>\r\n")),
        1 => Just(format!("<<<DELETE {NONCE} d>>>\n")),
        1 => Just(format!("<<<RENAME {NONCE} e -> f>>>\n")),
    ];
    proptest::collection::vec(word, 0..10).prop_map(|words| words.concat())
}

fn cut(text: &str, cuts: &[Index]) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
    at.extend([0, chars.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| chars[pair[0]..pair[1]].iter().collect()).collect()
}

fn without_pieces(parsed: Parsed) -> Parsed {
    Parsed { last_pieces: Vec::new(), ..parsed }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_way_of_cutting_reads_the_same(
        output in hostile(),
        cuts in proptest::collection::vec(any::<Index>(), 0..40),
    ) {
        let whole = without_pieces(Parser::read(NONCE, &output));
        let mut parser = Parser::new(NONCE);
        for part in cut(&output, &cuts) {
            parser.push(&part);
        }
        prop_assert_eq!(&without_pieces(parser.finish()), &whole);
        let mut parser = Parser::new(NONCE);
        for character in output.chars() {
            parser.push(character.encode_utf8(&mut [0; 4]));
        }
        prop_assert_eq!(without_pieces(parser.finish()), whole);
    }

    #[test]
    fn files_come_back_byte_for_byte(texts in proptest::collection::vec(confusing(), 1..5)) {
        let output: String = texts
            .iter()
            .enumerate()
            .map(|(n, text)| frame(NONCE, &format!("dir/{n}.txt"), text))
            .collect();
        let parsed = Parser::read(NONCE, &output);
        let read: Vec<String> = parsed.files().into_iter().map(|file| file.text).collect();
        prop_assert_eq!(read, texts);
        prop_assert_eq!(parsed.explanation, "");
    }

    #[test]
    fn without_a_marker_no_byte_is_lost(output in confusing()) {
        let parsed = Parser::read(NONCE, &output);
        let kept: usize = parsed.explanation.len()
            + parsed.changes.iter().map(|change| match change {
                Change::Write { text, .. } => text.len(),
                _ => 0,
            }).sum::<usize>();
        // Only the opening and closing lines of named fences are neither.
        if parsed.changes.is_empty() {
            prop_assert_eq!(parsed.explanation, output);
        } else {
            prop_assert!(kept <= output.len());
        }
    }

    #[test]
    fn nothing_panics(output in any::<String>(), nonce in any::<String>()) {
        let _ = Parser::read(&nonce, &output);
    }
}
