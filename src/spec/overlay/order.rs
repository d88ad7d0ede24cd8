//! `$setElementOrder`: in which order the items of a list stand after a patch, as kubectl orders them
//! (apimachinery `strategicpatch`, `normalizeElementOrder`).

use serde_json::Value;

/// Items that `wanted` names come in its order; the others keep theirs, each before the first named one that it
/// stood before, in the list as it was `before` the patch.
pub(super) fn set(items: &mut Vec<Value>, wanted: &[Value], by: &str, before: &[Value]) {
    let same = |one: &Value, other: &Value| {
        if by.is_empty() {
            one == other
        } else {
            one.get(by).is_some() && one.get(by) == other.get(by)
        }
    };
    let rank = |item: &Value| wanted.iter().position(|w| same(w, item));
    let stood_before = |one: &Value, other: &Value| {
        let place = |item: &Value| before.iter().position(|known| same(known, item));
        place(one).zip(place(other)).is_some_and(|(one, other)| one < other)
    };
    let (mut named, others): (Vec<Value>, Vec<Value>) = items.drain(..).partition(|item| rank(item).is_some());
    named.sort_by_key(rank);
    let mut others = others.into_iter().peekable();
    for item in named {
        while let Some(other) = others.next_if(|other| stood_before(other, &item)) {
            items.push(other);
        }
        items.push(item);
    }
    items.extend(others);
}
