use super::*;
use crate::ipc::NewProject;
use crate::tests::{studio, version};

async fn served(files: &[(&str, &str)]) -> (Studio, tempfile::TempDir, String) {
    let (studio, dir) = studio();
    let new = NewProject { name: "Vista".into(), description: String::new() };
    let project = studio.project_create(new).await.expect("made").id;
    let number = version(&studio, project, files).await.number;
    let host = Host { project, number }.text();
    (studio, dir, host)
}

fn header<'a>(response: &'a PreviewResponse, name: &str) -> &'a str {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value.as_str())
}

#[tokio::test]
async fn a_page_is_served_with_its_files_and_no_network() {
    let (studio, _dir, host) =
        served(&[("index.html", "<!doctype html><script src=a.js></script>"), ("a.js", "1")]).await;
    let page = studio.preview_serve(&host, "/").await;
    assert_eq!(page.status, 200);
    let policy = header(&page, "Content-Security-Policy");
    assert!(policy.starts_with("default-src 'self' "), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"));
    assert!(!policy.contains("allow-same-origin"));
    let text = String::from_utf8(page.body).expect("text");
    assert!(text.starts_with("<!doctype html><script>"));
    assert!(text.find("localStorage") < text.find("src=a.js"));
    let script = studio.preview_serve(&host, "/a.js?v=2").await;
    assert_eq!((script.status, script.body.as_slice()), (200, &b"1"[..]));
    assert_eq!(header(&script, "Content-Type"), "text/javascript; charset=utf-8");
    assert_eq!(header(&script, "Access-Control-Allow-Origin"), "*");
}

#[tokio::test]
async fn a_version_serves_itself_and_nothing_else() {
    let (studio, _dir, host) = served(&[("index.html", "uno"), ("menú.html", "dos")]).await;
    let project = Host::parse(&host).expect("ours").project;
    version(&studio, project, &[("secret.txt", "de la dos")]).await;
    assert_eq!(studio.preview_serve(&host, "/men%C3%BA.html").await.status, 200);
    for path in ["/secret.txt", "/..%2Fsecret.txt", "/%2e%2e/%2e%2e/etc/passwd", "/%ff", "/%zz"] {
        assert_eq!(studio.preview_serve(&host, path).await.status, 404, "{path}");
    }
    let other = Host { project, number: 9 }.text();
    for host in [other.as_str(), "", "-", "x-1", "localhost", &format!("{host}'; script-src *")] {
        let response = studio.preview_serve(host, "/").await;
        assert_eq!(response.status, 404, "{host}");
        assert!(!header(&response, "Content-Security-Policy").contains('*'));
    }
}

#[tokio::test]
async fn the_stored_bytes_are_not_what_the_shim_changes() {
    let (studio, _dir, host) = served(&[("index.html", "<p>hola")]).await;
    let Host { project, number } = Host::parse(&host).expect("ours");
    let stored = studio.version_file(project, number, "index.html".into()).await.expect("there");
    assert_eq!(stored, crate::ipc::FileContent::Text { text: "<p>hola".into() });
}

#[tokio::test]
async fn the_target_is_a_page_or_a_reason() {
    let (studio, _dir, host) = served(&[("main.py", "print(1)")]).await;
    let Host { project, number } = Host::parse(&host).expect("ours");
    let target = studio.preview_target(project, number).await.expect("there");
    assert!(matches!(target, PreviewTarget::None { reason } if reason.contains("README")));
    let number = version(&studio, project, &[("mi página.html", "x")]).await.number;
    let target = studio.preview_target(project, number).await.expect("there");
    let url = format!("preview://{}/mi%20p%C3%A1gina.html", Host { project, number }.text());
    assert_eq!(target, PreviewTarget::Page { url });
    assert!(studio.preview_target(project, 99).await.is_err());
}
