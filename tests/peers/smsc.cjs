// A scripted short message service centre: Kannel binds to it over SMPP, and the last two digits of a recipient's
// number decide what becomes of a message. It prints one JSON object a line: where it listens, then every submission.
//
//   01 delivered    02 failed     03 refused at once    04 taken, and never a word more
//   05 throttled    06 delivered, with the receipt sent ahead of the answer to the submission (Kannel 1.4.5 does not
//                      know the id yet and drops it)
'use strict';

const smpp = require(process.argv[2]);

const say = (fact) => process.stdout.write(JSON.stringify(fact) + '\n');
let submissions = 0;

function receipt(session, pdu, id, state, stat) {
  session.deliver_sm({
    esm_class: 4, // SMPP 3.4, 5.2.12: the short message holds a delivery receipt
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    short_message: `id:${id} sub:001 dlvrd:${state === 2 ? '001' : '000'} submit date:2601010000 ` +
      `done date:2601010000 stat:${stat} err:000 text:`,
    receipted_message_id: id,
    message_state: state,
  });
}

function answer(session, pdu) {
  const behaviour = pdu.destination_addr.slice(-2);
  const id = String(++submissions);
  const message = pdu.short_message.message;
  say({
    submitted: id,
    to: pdu.destination_addr,
    text: Buffer.isBuffer(message) ? message.toString('latin1') : String(message),
    coding: pdu.data_coding,
    part: pdu.short_message.udh ? pdu.short_message.udh.map((element) => [...element]) : [],
    validity: String(pdu.validity_period || ''),
  });
  const refuse = (status) => session.send(pdu.response({ command_status: status }));
  const accept = () => session.send(pdu.response({ message_id: id }));
  switch (behaviour) {
    case '02':
      accept();
      return receipt(session, pdu, id, 5, 'UNDELIV');
    case '03':
      return refuse(smpp.ESME_RINVDSTADR);
    case '04':
      return accept();
    case '05':
      return refuse(smpp.ESME_RTHROTTLED);
    case '06':
      receipt(session, pdu, id, 2, 'DELIVRD');
      return accept();
    default:
      accept();
      return receipt(session, pdu, id, 2, 'DELIVRD');
  }
}

const server = smpp.createServer((session) => {
  const bind = (pdu) => {
    session.send(pdu.response());
    say({ bound: pdu.system_id });
  };
  session.on('bind_transceiver', bind);
  session.on('bind_transmitter', bind);
  session.on('bind_receiver', bind);
  session.on('submit_sm', (pdu) => answer(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on('error', () => session.close());
});
server.listen(0, '127.0.0.1', () => say({ listening: server.address().port }));
// The parent holds our standard input open: when it is gone, so are we.
process.stdin.on('end', () => process.exit(0)).resume();
