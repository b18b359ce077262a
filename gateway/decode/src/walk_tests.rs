//! What a walk finds, and what it refuses.

use super::*;

#[derive(Default)]
struct Seen(Vec<(u16, String)>);
impl Sink for Seen {
    fn member(&mut self, slot: u16, value: Scalar<'_>) {
        self.0.push((slot, format!("{value:?}")));
    }
}

fn walk(pointers: &[&str], text: &str) -> Result<Vec<(u16, String)>, JsonFault> {
    let mut wanted = Pointers::default();
    for (slot, pointer) in (0..).zip(pointers) {
        wanted.insert(pointer, slot).unwrap();
    }
    let mut seen = Seen::default();
    wanted.walk(text.as_bytes(), &mut seen).map(|()| seen.0)
}

#[test]
fn members_are_found_in_objects_and_arrays_and_under_odd_names() {
    let seen = walk(
        &["/a/b", "/list/1/x", "/a~1b", "/zero", "/a"],
        r#"{"a":{"b":1.5,"c":[1,2]},"list":[{"x":1},{"x":"y"}],"a/b":null,"zero":0,"other":{"a":{"b":9}}}"#,
    );
    let expect = [
        (4, "Composite"),
        (0, "Float(1.5)"),
        (1, "Text(\"y\")"),
        (2, "Null"),
        (3, "Int(0)"),
    ];
    assert_eq!(seen.unwrap(), expect.map(|(slot, text)| (slot, text.to_owned())));
}

#[test]
fn what_is_not_json_is_named() {
    for text in [
        "",
        "{",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":1e999}",
        "{} x",
        "{\"b\":-1e999}",
        "{'a':1}",
    ] {
        assert!(
            matches!(walk(&["/a"], text), Err(JsonFault::NotJson { .. })),
            "{text}"
        );
    }
    let mut wanted = Pointers::default();
    wanted.insert("/a", 0).unwrap();
    let fault = wanted
        .walk(b"{\"a\":\"\xFF\"}", &mut Seen::default())
        .unwrap_err();
    assert_eq!(fault, JsonFault::NotUtf8 { offset: 6 });
}

#[test]
fn a_tower_of_brackets_is_too_deep_wherever_it_stands() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let tower = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        assert!(matches!(walk(&["/a"], &tower), Err(JsonFault::TooDeep { .. })));
        let hidden = format!("{{\"unwanted\":{tower}}}");
        assert!(matches!(walk(&["/a"], &hidden), Err(JsonFault::TooDeep { .. })));
    }
    assert!(walk(&["/a"], &format!("{}1{}", "[".repeat(60), "]".repeat(60))).is_ok());
}

#[test]
fn a_pointer_says_what_is_wrong_with_it() {
    for bad in ["", "a", "/~2", "/~", &"/x".repeat(17)] {
        assert!(Pointers::default().insert(bad, 0).is_err(), "{bad}");
    }
}
