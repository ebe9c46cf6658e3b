//! Chains of lists, folded.

use super::rules::accesses;
use super::*;

const ME: i64 = 7;
const OWNERS: i64 = 30;

/// Node, list: entries as kind, trustee's type and number, permission.
fn lists(of: &[(i64, bool, &[(i64, i64, i64, i64)])], above: &[(i64, i64)]) -> Lists {
    let ace = |&(kind, trustee_type, trustee, permission): &(i64, i64, i64, i64)| Ace {
        id: 0,
        kind,
        trustee_type,
        trustee,
        permission,
    };
    let list = |&(node, breaks, aces): &(i64, bool, &[(i64, i64, i64, i64)])| {
        let aces = aces.iter().map(ace).collect();
        (node, List { breaks, aces })
    };
    Lists {
        of: of.iter().map(list).collect(),
        above: above.iter().copied().collect(),
        names: HashMap::new(),
    }
}

#[test]
fn a_chain_is_folded() {
    let who = Trustee {
        user: ME,
        roles: HashSet::from([20]),
        owners: Some(OWNERS),
    };
    let (all, nothing, own, others) = ([true, true], [false, false], [true, false], [false, true]);
    let tree = [(1, 0), (2, 1), (3, 2), (4, 2), (5, 5), (6, 8), (8, 6)];
    type Row<'a> = (&'a [(i64, bool, &'a [(i64, i64, i64, i64)])], &'a [[bool; 2]]);
    let rows: &[Row<'_>] = &[
        (&[(1, false, &[])], &[all]),
        // An entry for somebody else is one all the same; one that is only recorded is not.
        (&[(1, false, &[(ALLOW, OF_USER, 9, 0)])], &[nothing]),
        (&[(1, false, &[(3, OF_USER, 9, 0)])], &[all]),
        (&[(1, false, &[(ALLOW, OF_USER, ME, 0)])], &[all]),
        (&[(1, false, &[(ALLOW, OF_ROLE, 20, 1)])], &[all]),
        (&[(1, false, &[(ALLOW, OF_ROLE, 20, 2)])], &[nothing]),
        // A role's number is no user's.
        (&[(1, false, &[(ALLOW, OF_ROLE, ME, 0)])], &[nothing]),
        (&[(1, false, &[(ALLOW, OF_ROLE, OWNERS, 0)])], &[own]),
        (&[(1, false, &[(ALLOW, OF_USER, ME, 0), (DENY, OF_ROLE, OWNERS, 0)])], &[others]),
        (&[(1, false, &[(ALLOW, OF_USER, ME, 0), (DENY, OF_ROLE, 20, 1)])], &[nothing]),
        (&[(1, false, &[(ALLOW, OF_USER, ME, 0), (DENY, OF_ROLE, 20, 2)])], &[all]),
        // An inherited denial is stronger than an own permission; who inherits nothing is not denied.
        (
            &[
                (1, false, &[(DENY, OF_USER, ME, 0)]),
                (3, false, &[(ALLOW, OF_USER, ME, 0)]),
                (4, true, &[(ALLOW, OF_USER, ME, 0)]),
            ],
            &[nothing, nothing, all],
        ),
        (
            &[
                (1, false, &[(ALLOW, OF_USER, ME, 0)]),
                (2, false, &[]),
                (3, true, &[]),
                (4, false, &[(ALLOW, OF_USER, 9, 0)]),
            ],
            &[all, all, all, all],
        ),
        // Roots that are above themselves, and circles, end.
        (&[(5, false, &[(ALLOW, OF_USER, 9, 0)])], &[nothing]),
        (&[(6, false, &[]), (8, false, &[(DENY, OF_USER, ME, 0)])], &[nothing, nothing]),
    ];
    for (of, expected) in rows {
        let lists = lists(of, &tree);
        let found: Vec<[bool; 2]> = accesses(&lists, &who, |ace| ace.permission < 2)
            .into_iter()
            .map(|access| [access.own, access.others])
            .collect();
        assert_eq!(found, *expected, "{of:?}");
        let chains = lists.of.keys().map(|node| {
            let said = lists.chain(*node).into_iter();
            let said = said.fold(Said::default(), |said, list| {
                said.with(Said::of(list, &who, |ace| ace.permission < 2))
            });
            [said.access().own, said.access().others]
        });
        assert_eq!(chains.collect::<Vec<_>>(), *expected, "{of:?}");
    }
}
