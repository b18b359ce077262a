//! tmp
use std::time::Duration;
#[tokio::main]
async fn main(){
 tracing_subscriber::fmt().with_env_filter("debug,hyper=info,rmqtt=info,h2=info,reqwest=info,tokio_modbus=info,hyper_util=info").init();
 let a: Vec<String> = std::env::args().collect();
 if a.get(1).map(String::as_str)==Some("run") { let c=linli::config::load(std::path::Path::new(&a[2])).unwrap(); let stop=tokio_util::sync::CancellationToken::new(); let s2=stop.clone(); tokio::spawn(async move{ let mut t=tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap(); t.recv().await; s2.cancel();}); linli::run::run(c,stop).await.unwrap(); return; }
 let s=linli::sim::demo(linli::sim::DemoOptions{duration:Some(Duration::from_secs(a[1].parse().unwrap())),http_port:18080}, tokio_util::sync::CancellationToken::new(), |u| eprintln!("STATUS {u}")).await.unwrap();
 println!("{}", serde_json::to_string(&s).unwrap());
}
