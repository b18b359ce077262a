use super::*;
use linli_domain::engine::Member;
use linli_domain::id::{AlarmId, OrderId};
use linli_domain::order::OrderRole;
use linli_domain::rule::Priority;
use std::time::Duration;

fn text(zh: &str, en: &str) -> Text {
    Text {
        zh: zh.into(),
        en: en.into(),
    }
}

fn estate() -> Estate {
    let document = "id = \"jinyuan.1\"\nname = { zh = \"锦园\", en = \"Jinyuan\" }\n";
    Estate::resolve(std::sync::Arc::new(toml::from_str(document).unwrap())).unwrap()
}

fn at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-01-31T19:02:11Z").unwrap()
}

fn notice(kind: NoticeKind) -> Notice {
    Notice {
        kind,
        at: at(),
        alarm: Some(AlarmId(991)),
        order: Some(OrderId(42)),
        role: Some(OrderRole::Repair),
        priority: Priority::P1,
        asset: "b3-pipe".parse().unwrap(),
        asset_name: text("3号楼管段", "B3 pipe zone"),
        place: text("一期 / 3号楼 / B1", "Phase 1 / Building 3 / B1"),
        title: Some(text("漏水", "Leak")),
        response: text("关闭分段阀。", "Close the section valve."),
        actor: Some("张三".into()),
        reason: None,
        until: None,
        audience: Audience::Everyone,
        members: Vec::new(),
        count: 1,
    }
}

fn channel(id: &str, kind: ChannelKind) -> Channel {
    Channel {
        id: id.parse().unwrap(),
        kind,
        timeout: Duration::from_secs(5),
    }
}

fn planner(routes: &[(&[OrderRole], &[&str])]) -> Planner {
    let webhook = ChannelKind::Webhook {
        url: "https://cmms.example/hook".into(),
        keys: Vec::new(),
        allow_private: false,
    };
    let group = |id| {
        let url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x".into();
        channel(id, ChannelKind::Wecom { url })
    };
    let route = |(roles, channels): &(&[OrderRole], &[&str])| Route {
        roles: roles.to_vec(),
        channels: channels.iter().map(|id| id.parse().unwrap()).collect(),
    };
    Planner::new(
        routes.iter().map(route).collect(),
        vec![channel("cmms", webhook), group("repair"), group("cleaning")],
        Language::Zh,
    )
}

fn to_all() -> Planner {
    planner(&[(&[], &["cmms", "repair"])])
}

fn recorded() -> Timestamp {
    at().plus(Duration::from_secs(2))
}

#[test]
fn the_event_is_cloudevents_to_the_letter() {
    let planned = to_all().plan(&[notice(NoticeKind::OrderDispatched)], &estate(), recorded());
    let body = String::from_utf8(planned[0].payload.clone()).unwrap();
    assert_eq!(
        body,
        concat!(
            r#"{"specversion":"1.0","id":"jinyuan-1_WO-42_order_dispatched_1769886131000","#,
            r#""source":"/estates/jinyuan.1/gateway","type":"org.linli.order.dispatched","subject":"WO-42","#,
            r#""time":"2026-01-31T19:02:11.000Z","recordedtime":"2026-01-31T19:02:13.000Z","#,
            r#""correlationid":"WO-42","severitytext":"ERROR","severitynumber":17,"#,
            r#""datacontenttype":"application/json","data":{"order":"WO-42","alarm":"AL-991","kind":"repair","#,
            r#""priority":"P1","state":"dispatched","since":"2026-01-31T19:02:11.000Z","asset":"b3-pipe","#,
            r#""asset_name":"3号楼管段","place":"一期 / 3号楼 / B1","title":"漏水","response":"关闭分段阀。"}}"#,
        )
    );
}

#[test]
fn the_page_for_other_systems_shows_this_event_and_names_every_type_with_its_state() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhooks.md");
    let page = std::fs::read_to_string(path).unwrap();
    let shown = page
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let shown: serde_json::Value = serde_json::from_str(shown.unwrap()).unwrap();
    let sent = |kind| to_all().plan(&[notice(kind)], &estate(), recorded());
    let body = |kind| serde_json::from_slice::<serde_json::Value>(&sent(kind)[0].payload).unwrap();
    assert_eq!(shown, body(NoticeKind::OrderDispatched));
    let told_singly = [
        NoticeKind::AlarmGroup,
        NoticeKind::AlarmRepeat,
        NoticeKind::AlarmDigest,
    ];
    for kind in NoticeKind::ALL
        .into_iter()
        .filter(|kind| !told_singly.contains(kind))
    {
        let event = body(kind);
        let (kind, state) = (
            event["type"].as_str().unwrap(),
            event["data"]["state"].as_str().unwrap(),
        );
        let row = format!("| `{kind}` | `{state}` |");
        assert!(page.contains(&row), "docs/webhooks.md has no row {row}");
    }
}

#[test]
fn the_card_says_what_where_and_what_to_do() {
    let planned = to_all().plan(&[notice(NoticeKind::OrderDispatched)], &estate(), recorded());
    let card: Card = serde_json::from_slice(&planned[1].payload).unwrap();
    assert_eq!(card.title, "特急 新工单 漏水 3号楼管段");
    assert_eq!(
        card.text,
        "**特急 新工单 漏水 3号楼管段**\n> 位置：一期 / 3号楼 / B1\n> 工单：WO-42（维修）\n> 处置：关闭分段阀。\n\
         > 时间：2026-02-01 03:02:11"
    );
}

#[test]
fn no_persons_name_leaves() {
    for kind in [NoticeKind::OrderAccepted, NoticeKind::OrderClosed] {
        for row in to_all().plan(&[notice(kind)], &estate(), recorded()) {
            assert!(
                !String::from_utf8(row.payload).unwrap().contains("张三"),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn raised_cleared_and_raised_again_within_a_millisecond_are_three_messages() {
    let mut taken = BTreeSet::new();
    let kinds = [
        NoticeKind::AlarmRaised,
        NoticeKind::AlarmCleared,
        NoticeKind::AlarmRaised,
    ];
    let mut names = BTreeSet::new();
    for kind in kinds {
        let planned = planner(&[(&[], &["cmms"])]).plan_beside(&mut taken, &[notice(kind)], &estate(), at());
        names.extend(planned.into_iter().map(|row| row.idempotency));
    }
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_row_is_named_by_channel_and_event_and_the_same_plan_gives_the_same_rows() {
    let notices = [
        notice(NoticeKind::OrderDispatched),
        notice(NoticeKind::AlarmRaised),
    ];
    let planned = to_all().plan(&notices, &estate(), recorded());
    assert_eq!(planned, to_all().plan(&notices, &estate(), recorded()));
    let names: Vec<_> = planned.iter().map(|row| row.idempotency.as_str()).collect();
    assert_eq!(
        names,
        [
            "cmms/jinyuan-1_WO-42_order_dispatched_1769886131000",
            "repair/jinyuan-1_WO-42_order_dispatched_1769886131000",
            "cmms/jinyuan-1_AL-991_alarm_raised_1769886131000",
        ]
    );
    assert!(
        planned
            .iter()
            .all(|row| row.payload.len() < crate::outbox::MAX_PAYLOAD_BYTES)
    );
}

#[test]
fn two_equal_notices_of_one_plan_stay_two() {
    let notices = [notice(NoticeKind::AlarmUnknown), notice(NoticeKind::AlarmUnknown)];
    let planned = planner(&[(&[], &["cmms"])]).plan(&notices, &estate(), at());
    assert_eq!(planned.len(), 2);
    assert!(
        planned[1].idempotency.ends_with("_2"),
        "{}",
        planned[1].idempotency
    );
}

#[test]
fn routes_choose_by_trade_and_name_a_channel_once() {
    let planner = planner(&[
        (&[OrderRole::Repair], &["repair"]),
        (&[OrderRole::Cleaning], &["cleaning"]),
        (&[OrderRole::Repair, OrderRole::Cleaning], &["repair"]),
    ]);
    let planned = planner.plan(&[notice(NoticeKind::OrderDispatched)], &estate(), at());
    let channels: Vec<_> = planned.iter().map(|row| row.channel.as_str()).collect();
    assert_eq!(channels, ["repair"]);
}

#[test]
fn a_system_alarm_without_a_trade_is_not_lost_between_the_trades() {
    let mut system = notice(NoticeKind::AlarmRaised);
    (system.role, system.order) = (None, None);
    let channels = |planner: Planner| -> Vec<String> {
        let planned = planner.plan(std::slice::from_ref(&system), &estate(), at());
        planned.into_iter().map(|row| row.channel).collect()
    };
    let trades: &[(&[OrderRole], &[&str])] = &[
        (&[OrderRole::Repair], &["repair"]),
        (&[OrderRole::Cleaning], &["cleaning"]),
    ];
    assert_eq!(channels(planner(trades)), ["repair", "cleaning"]);
    let with_all: &[(&[OrderRole], &[&str])] = &[(&[OrderRole::Repair], &["repair"]), (&[], &["cmms"])];
    assert_eq!(channels(planner(with_all)), ["cmms"]);
}

#[test]
fn names_cannot_mention_anybody_or_break_the_card() {
    let mut hostile = notice(NoticeKind::OrderDispatched);
    hostile.asset_name = text("<@all> [点我](http://x)\n**泵**", "x");
    let planned = to_all().plan(&[hostile], &estate(), at());
    let card: Card = serde_json::from_slice(&planned[1].payload).unwrap();
    assert!(
        !card.text.contains("<@") && !card.text.contains("]("),
        "{}",
        card.text
    );
    assert_eq!(card.title.lines().count(), 1);
}

#[test]
fn a_test_message_fits_its_channel() {
    let planner = to_all();
    let send = |id: &str| planner.test(&id.parse().unwrap(), &estate(), at(), "n-1");
    assert_eq!(send("cmms").unwrap().subject_kind, "test");
    let card: Card = serde_json::from_slice(&send("repair").unwrap().payload).unwrap();
    assert!(card.text.contains("repair"));
    assert!(send("nowhere").is_none());
}

#[test]
fn whoever_is_told_that_an_alarm_is_shelved_is_told_why_and_until_when() {
    let shelved = Notice {
        reason: Some("**换盖** <@all>".into()),
        until: Some(at().plus(Duration::from_secs(3_600))),
        ..notice(NoticeKind::AlarmShelved)
    };
    let planned = to_all().plan(&[shelved], &estate(), recorded());
    assert_eq!(planned.len(), 2, "a system and a group");
    let event: serde_json::Value = serde_json::from_slice(&planned[0].payload).unwrap();
    assert_eq!(event["type"], "org.linli.alarm.shelved");
    assert_eq!(
        (&event["data"]["state"], &event["data"]["until"]),
        (&"shelved".into(), &"2026-01-31T20:02:11.000Z".into())
    );
    let card = String::from_utf8(planned[1].payload.clone()).unwrap();
    assert!(
        card.contains("告警已搁置") && card.contains("2026-02-01 04:02:11"),
        "{card}"
    );
    assert!(
        card.contains("＊＊换盖＊＊ ＜@all＞") && !card.contains("张三"),
        "{card}"
    );
}

#[test]
fn what_is_out_of_service_is_told_about_its_asset() {
    let out = Notice {
        alarm: None,
        order: None,
        role: None,
        reason: Some("更换水泵".into()),
        ..notice(NoticeKind::OutOfService)
    };
    let planned = to_all().plan(&[out], &estate(), recorded());
    let event: serde_json::Value = serde_json::from_slice(&planned[0].payload).unwrap();
    assert_eq!(event["type"], "org.linli.service.out");
    assert_eq!(
        (&event["subject"], &event["data"]["state"]),
        (&"b3-pipe".into(), &"out_of_service".into())
    );
}

#[test]
fn what_is_told_together_later_goes_to_systems_at_once_and_the_other_way_round() {
    let raised = Notice {
        audience: Audience::Systems,
        order: None,
        ..notice(NoticeKind::AlarmRaised)
    };
    let planned = to_all().plan(&[raised], &estate(), recorded());
    assert_eq!(
        planned.iter().map(|d| d.channel.as_str()).collect::<Vec<_>>(),
        ["cmms"]
    );
    let member = |n: u64| Member {
        alarm: AlarmId(n),
        asset: "bin".parse().unwrap(),
        order: None,
        priority: Priority::P3,
        asset_name: text(&format!("{n}号桶"), "Bin"),
        place: text("前院", "Yard"),
        title: Some(text("满溢", "Full")),
    };
    let group = Notice {
        audience: Audience::People,
        members: (1..=20).map(member).collect(),
        count: 23,
        ..notice(NoticeKind::AlarmGroup)
    };
    let planned = to_all().plan(&[group], &estate(), recorded());
    assert_eq!(
        planned.iter().map(|d| d.channel.as_str()).collect::<Vec<_>>(),
        ["repair"]
    );
    let card = String::from_utf8(planned[0].payload.clone()).unwrap();
    assert!(
        card.contains("23") && card.contains("7号桶") && card.contains("另有 3 条"),
        "{card}"
    );
    let one = Notice {
        audience: Audience::People,
        ..notice(NoticeKind::AlarmGroup)
    };
    let planned = to_all().plan(&[one], &estate(), recorded());
    let card = String::from_utf8(planned[0].payload.clone()).unwrap();
    assert!(card.contains("新工单") && card.contains("关闭分段阀"), "{card}");
}

fn bin(n: u64) -> Member {
    Member {
        alarm: AlarmId(n),
        asset: format!("bin-{n}").parse().unwrap(),
        order: Some(OrderId(42)),
        priority: Priority::P3,
        asset_name: text(&format!("{n}号桶"), &format!("Bin {n}")),
        place: text("前院", "Yard"),
        title: Some(text("满溢", "Full")),
    }
}

#[test]
fn an_order_about_several_bins_names_them_to_systems_and_to_people() {
    let order = Notice {
        role: Some(OrderRole::Cleaning),
        title: Some(text("满溢", "Full")),
        members: (1..=3).map(bin).collect(),
        count: 3,
        ..notice(NoticeKind::OrderReopened)
    };
    let planned = to_all().plan(&[order], &estate(), recorded());
    let event: serde_json::Value = serde_json::from_slice(&planned[0].payload).unwrap();
    assert_eq!(event["subject"], "WO-42");
    assert_eq!(event["data"]["task_count"], 3);
    assert_eq!(
        event["data"]["tasks"][1],
        serde_json::json!({ "asset": "bin-2", "asset_name": "2号桶", "place": "前院", "alarm": "AL-2" })
    );
    let card: Card = serde_json::from_slice(&planned[1].payload).unwrap();
    assert_eq!(card.title, "特急 未恢复，返工 满溢 3 处");
    assert_eq!(
        card.text,
        "**特急 未恢复，返工 满溢 3 处**\n- 满溢 1号桶（前院）\n- 满溢 2号桶（前院）\n- 满溢 3号桶（前院）\n\
         > 工单：WO-42（保洁）\n> 时间：2026-02-01 03:02:11"
    );
}

#[test]
fn what_nobody_has_seen_for_hours_is_told_to_people_alone() {
    let again = Notice {
        audience: Audience::People,
        members: (1..=2).map(bin).collect(),
        count: 2,
        ..notice(NoticeKind::AlarmRepeat)
    };
    let planned = to_all().plan(&[again], &estate(), recorded());
    assert_eq!(planned.len(), 1);
    let card: Card = serde_json::from_slice(&planned[0].payload).unwrap();
    assert_eq!(card.title, "特急 仍未处理 漏水 2 处");
    assert!(card.text.contains("1号桶（前院）WO-42"), "{}", card.text);
}

#[test]
fn a_card_says_what_it_calls_people_to() {
    use crate::outbox::outlived::{Call, calls_of};
    let (alarm, order) = (Call::Alarm(AlarmId(991)), Call::Order(OrderId(42)));
    let calls = |kind| calls_of(&notice(kind));
    assert_eq!(calls(NoticeKind::AlarmRaised), [alarm]);
    assert_eq!(calls(NoticeKind::AlarmStillActive), [alarm]);
    assert_eq!(calls(NoticeKind::AlarmUnknown), [Call::Lost(AlarmId(991))]);
    assert_eq!(calls(NoticeKind::OrderDispatched), [order]);
    assert_eq!(calls(NoticeKind::OrderReopened), [Call::Rework(OrderId(42))]);
    assert_eq!(calls(NoticeKind::AlarmGroup), [order], "one alarm with its order");
    for kind in [
        NoticeKind::AlarmCleared,
        NoticeKind::OrderAccepted,
        NoticeKind::OrderClosed,
        NoticeKind::StormBegan,
    ] {
        assert_eq!(calls(kind), []);
    }
    let member = |alarm, order: Option<u64>| Member {
        alarm: AlarmId(alarm),
        asset: "b3-pipe".parse().unwrap(),
        order: order.map(OrderId),
        priority: Priority::P3,
        asset_name: text("管段", "Pipe"),
        place: text("", ""),
        title: None,
    };
    let mut group = notice(NoticeKind::AlarmGroup);
    group.members = vec![member(1, None), member(2, Some(7))];
    group.count = 2;
    assert_eq!(
        calls_of(&group),
        [Call::Alarm(AlarmId(1)), Call::Order(OrderId(7))]
    );
    group.count = 3;
    assert_eq!(calls_of(&group), [], "nobody knows what became of the third");
    let planned = to_all().plan(&[notice(NoticeKind::OrderDispatched)], &estate(), recorded());
    let card: Card = serde_json::from_slice(&planned[1].payload).unwrap();
    assert_eq!(card.calls, [order]);
}
