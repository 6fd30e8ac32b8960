//! Pull requests of the local forge, as page, as JSON, and as diff.

use reqwest::Method;

use crate::support::{Home, ServerProcess, answer, bash, code_request, repository, script};

#[tokio::test]
async fn a_pull_request_page_runs_nothing_that_the_model_wrote() {
    let home = Home::new();
    let hostile = "Done. <script>alert(1)</script> <img src=x onerror=alert(2)> [link](javascript:alert(3)) \
                   [fine](https://example.invalid) <a href='data:text/html,x'>d</a> <style>*{display:none}</style> \
                   <form action='/sessions'><button>b</button></form> {{diff}} | ✓";
    let file = "<script>alert(4)</script> {{title}}\n";
    let command = bash(&format!("printf '%s' \"{file}\" > page.html"));
    let end = serde_json::json!({ "text": hostile });
    let served = ServerProcess::start(&home, &script(&[command, end]));
    let session =
        served.begin(&code_request(&repository(&home, "pro<ject>", &[("a.txt", "one\n")]), "Make a page.")).await;
    let frames = served.watch(&session, 0).await;
    let url = frames.last().unwrap().data["pr_url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&served.address).unwrap();

    let page = served.request(Method::GET, path).header("accept", "text/html").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let html = page.text().await.unwrap();
    for active in ["<script", "onerror", "javascript:", "data:text", "<form", "<button", "<img"] {
        assert!(!html.contains(active), "{active} is in the page");
    }
    for shown in ["https://example.invalid", "&lt;script&gt;alert(4)", "{{title}}", "backspace/", "Commits", "✓"] {
        assert!(html.contains(shown), "{shown} is not in the page:\n{html}");
    }
    let (status, view) = served.get(path).await;
    assert_eq!(status, 200);
    assert_eq!((view["number"].as_u64(), view["commits"].as_array().unwrap().len()), (Some(1), 1));
    assert!(view["body"].as_str().unwrap().contains("<script>"), "JSON has the text unchanged");
    assert!(!view["bodyHtml"].as_str().unwrap().contains("<script"));
    let diff = served.request(Method::GET, &format!("{path}/diff")).send().await.unwrap();
    assert_eq!(diff.headers()["content-type"], "text/x-diff; charset=utf-8");
    assert!(diff.text().await.unwrap().contains("+<script>alert(4)"));

    let front = served.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(front.contains("/docs") && front.contains(&session) && !front.contains("pro<ject>"), "{front}");
    let (_, made) = served.post("/tokens", &serde_json::json!({ "principal": "bob" })).await;
    let strange = served.request(Method::GET, path).bearer_auth(made["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(strange.status().as_u16(), 404, "a pull request of another owner");
    let (_, made) = served.post("/tokens", &serde_json::json!({ "principal": "alice" })).await;
    let alice = made["token"].as_str().unwrap();
    let hers = served.request(Method::POST, "/code").bearer_auth(alice).header("prefer", "respond-async");
    let hers = hers.json(&code_request(&home.beside("pro<ject>"), "Make a page.")).send().await.unwrap();
    let hers: serde_json::Value = hers.json().await.unwrap();
    let watched =
        served.request(Method::GET, hers["eventsUrl"].as_str().unwrap()).bearer_auth(alice).send().await.unwrap();
    let url = crate::support::frames(watched).await.last().unwrap().data["pr_url"].as_str().unwrap().to_owned();
    let hers = url.strip_prefix(&served.address).unwrap();
    let (_, made) = served.post("/tokens", &serde_json::json!({ "principal": "local", "admin": false })).await;
    let member = made["token"].as_str().unwrap();
    for (token, expected) in [(alice, 200), (member, 404)] {
        let shown = served.request(Method::GET, hers).bearer_auth(token).send().await.unwrap();
        assert_eq!(shown.status().as_u16(), expected, "a principal's name is not enough");
    }
    for wrong in ["/pulls/..%2f..%2fx/1", "/pulls/none/1", &format!("{path}0"), "/pulls/.git/1"] {
        assert_eq!(answer(served.request(Method::GET, wrong).send().await.unwrap()).await.0, 404, "{wrong}");
    }
}
