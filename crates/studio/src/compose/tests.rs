use super::*;
use crate::ipc::{NewProject, ProblemCode};
use crate::parser::Parser;
use crate::tests::studio;
use uuid::Uuid;

fn draft(project_id: Uuid, prompt: &str) -> Draft {
    Draft {
        project_id,
        role: "fullstack".into(),
        prompt: prompt.into(),
        base_version: None,
        max_output_tokens: None,
        context_paths: None,
    }
}

async fn project(studio: &Studio) -> Uuid {
    let new = NewProject { name: "Tareas".into(), description: "Una lista".into() };
    studio.project_create(new).await.expect("made").id
}

fn user_text(composed: &Composed) -> String {
    composed.messages[1].content.texts().collect()
}

#[tokio::test]
async fn a_prompt_alone_becomes_two_messages_and_a_ceiling() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let composed = studio.compose(&draft(id, " una lista\r\nde \u{7}tareas ")).await.expect("fine");
    assert_eq!(user_text(&composed), "una lista\nde tareas");
    assert_eq!(composed.max_output_tokens, Tokens(4_096), "the free plan's ceiling");
    let estimate = studio.estimate(draft(id, "una lista de tareas")).await.expect("fine");
    assert_eq!(estimate.ceiling, estimate.input_tokens + estimate.max_output_tokens);
    assert_eq!(estimate.problem, None);
    let system: String = composed.messages[0].content.texts().collect();
    assert!(system.contains(&format!("AUTOCREA-FILES {}\n", composed.nonce)));
    assert!(system.contains("Proyecto: Tareas\nUna lista\n"));
}

#[tokio::test]
async fn the_files_of_the_base_version_go_along_byte_for_byte() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let files = [("index.html", "<p>hola</p>\r\n"), ("logo.png", "binario"), ("a.js", "")];
    crate::tests::version(&studio, id, &files).await;
    let composed = studio.compose(&draft(id, "más color")).await.expect("fine");
    let parsed = Parser::read(&composed.nonce, &user_text(&composed));
    let sent: Vec<_> = parsed.files().into_iter().map(|file| (file.path, file.text)).collect();
    assert_eq!(
        sent,
        [("a.js".into(), String::new()), ("index.html".into(), "<p>hola</p>\r\n".into())]
    );
    assert_eq!(parsed.explanation, "\nmás color");
    let system: String = composed.messages[0].content.texts().collect();
    assert!(system.contains("logo.png"));

    let by_hand = Draft { context_paths: Some(vec!["a.js".into()]), ..draft(id, "más color") };
    let context = studio.compose(&by_hand).await.expect("fine").context;
    let included: Vec<_> = context.iter().filter(|f| f.included).map(|f| &*f.path).collect();
    assert_eq!(included, ["a.js"]);
}

#[tokio::test]
async fn an_empty_or_huge_prompt_is_refused_with_a_sentence() {
    let (studio, _dir) = studio();
    let id = project(&studio).await;
    let empty = studio.estimate(draft(id, " \u{0}\n ")).await.expect("an estimate");
    assert_eq!(empty.problem.expect("a problem").code, ProblemCode::Invalid);
    let huge = studio.estimate(draft(id, &"x".repeat(300_000))).await.expect("an estimate");
    assert!(huge.problem.expect("a problem").message.contains("256 KB"));
    let long = studio.estimate(draft(id, &"x".repeat(200_000))).await.expect("an estimate");
    assert!(long.problem.expect("a problem").message.contains("32768"));
    let error = studio.compose(&draft(Uuid::nil(), "hola")).await.expect_err("no such project");
    assert_eq!(error.code(), ProblemCode::NotFound);
}

#[test]
fn too_few_tokens_is_a_token_limit() {
    let limits = Limits { remaining: Some(Tokens(300)), ..Limits::default() };
    let fault = fault("hola", &[], Tokens(100), limits).expect("a fault");
    assert_eq!(Error::Invalid(fault).code(), ProblemCode::TokenLimit);
}
