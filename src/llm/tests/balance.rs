//! What is left in an account.

use serde_json::json;

use super::{
    KEY, quick,
    server::{Reply, Server},
};
use crate::llm::{Account, Balance, balance};

fn money(currency: &str, total: &str, granted: &str, topped_up: &str) -> Balance {
    let [currency, total, granted, topped_up] = [currency, total, granted, topped_up].map(str::to_owned);
    Balance { currency, total, granted, topped_up }
}

fn wire(balance: &Balance) -> serde_json::Value {
    json!({
        "currency": balance.currency,
        "total_balance": balance.total,
        "granted_balance": balance.granted,
        "topped_up_balance": balance.topped_up,
    })
}

#[tokio::test]
async fn a_balance_is_read_in_each_currency_and_lies_beside_any_version() {
    let balances = vec![money("CNY", "110.00", "10.00", "100.00"), money("USD", "1.00", "0.00", "1.00")];
    let infos: Vec<_> = balances.iter().map(wire).collect();
    let body = json!({"is_available": true, "balance_infos": infos}).to_string();
    for base in ["", "/v1", "/beta/"] {
        let server = Server::playing([Reply::json(body.clone())]).await;
        let told = balance(&quick(&format!("{}{base}", server.address))).await;
        assert_eq!(told, Ok(Some(Account { available: true, balances: balances.clone() })));
        let call = server.calls().remove(0);
        assert_eq!((call.line.as_str(), call.authorization), ("GET /user/balance", Some(format!("Bearer {KEY}"))));
    }
}

#[tokio::test]
async fn an_empty_account_says_so_and_is_no_error() {
    let empty = json!({"is_available": false, "balance_infos": []}).to_string();
    let server = Server::playing([Reply::json(empty)]).await;
    assert_eq!(balance(&quick(&server.address)).await, Ok(Some(Account { available: false, balances: Vec::new() })));
}

#[tokio::test]
async fn a_server_without_accounts_is_no_error() {
    for status in [404, 405, 501] {
        let server = Server::playing([Reply::status(status, "")]).await;
        assert_eq!(balance(&quick(&server.address)).await, Ok(None));
    }
}

#[tokio::test]
async fn other_failures_are_told_after_one_attempt() {
    for (reply, kind) in [
        (Reply::status(401, "{}"), "unauthorized"),
        (Reply::status(503, ""), "overloaded"),
        (Reply::json("<html>"), "malformed"),
        (Reply::json("{}"), "malformed"),
    ] {
        let server = Server::playing([reply]).await;
        assert_eq!(balance(&quick(&server.address)).await.unwrap_err().kind(), kind);
        assert_eq!(server.calls().len(), 1);
    }
}
