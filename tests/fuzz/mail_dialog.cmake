gateway_fuzz(mail_dialog SOURCES mail_dialog_fuzz.cc CORPUS tests/fuzz/corpus/mail_dialog
  LINK gateway_outbound)
