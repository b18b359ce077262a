//! The status page, in both languages, with names that want out.

use super::*;

#[tokio::test]
async fn the_page_shows_places_values_alarms_and_orders_in_both_languages() {
    let story = Story::new().await;
    let order = story.leak().await;
    story
        .until("/api/v1/points?measure=leak.wet", |page| {
            page["items"][0]["latest"]["value"] == true
        })
        .await;
    let id = order["id"].as_str().unwrap();
    let zh = story.ask(Method::GET, "/status").send().await;
    assert_eq!(zh.header("content-type"), "text/html; charset=utf-8");
    for text in [
        "lang=\"zh-CN\"",
        "故事小区",
        "3号楼管段",
        "特急",
        "维修",
        "待接单",
        "告警中",
        "有水",
        "电池",
        "正常",
        id,
        "刷新",
    ] {
        let shown = zh.text.contains(text)
            || text == "刷新" && zh.text.contains("http-equiv=\"refresh\" content=\"5\"");
        assert!(shown, "{text} in {}", zh.text);
    }
    let en = story.ask(Method::GET, "/status?lang=en").send().await;
    for text in [
        "lang=\"en\"",
        "Story estate",
        "Critical",
        "repair",
        "waiting to be accepted",
        "wet",
        "Leak repair",
        id,
    ] {
        assert!(en.text.contains(text), "{text} in {}", en.text);
    }
    let wished = story
        .ask(Method::GET, "/status")
        .with("accept-language", "fr, en-GB;q=0.9")
        .send()
        .await;
    assert_eq!(wished.header("content-language"), "en");
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let story = Story::new().await;
    story.leak().await;
    let en = story.ask(Method::GET, "/status?lang=en").send().await;
    assert!(!en.text.contains("<script"), "{}", en.text);
    assert!(
        en.text.contains("&#60;script&#62;") || en.text.contains("&lt;script&gt;"),
        "{}",
        en.text
    );
    assert!(
        !en.text.contains("style=") && !en.text.contains("onload"),
        "nothing inline"
    );
}

#[tokio::test]
async fn the_page_brings_its_own_style_and_the_root_leads_to_it() {
    let story = Story::new().await;
    let style = story.ask(Method::GET, "/assets/status.css").send().await;
    assert_eq!(
        (style.status.as_u16(), style.header("content-type")),
        (200, "text/css; charset=utf-8")
    );
    assert!(style.text.contains("prefers-color-scheme: dark") && style.text.contains("tabular-nums"));
    assert!(!style.text.contains("http"), "nothing from elsewhere");
    let root = story.ask(Method::GET, "/").send().await;
    assert_eq!((root.status.as_u16(), root.header("location")), (303, "/status"));
}
