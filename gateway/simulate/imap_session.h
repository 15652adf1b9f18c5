// One connection to a simulated mailbox: IMAP4rev1 (RFC 3501) with UIDPLUS, MOVE, IDLE, STARTTLS,
// LITERAL+, AUTH PLAIN, LOGIN and XOAUTH2.
//
// No I/O: bytes in, replies out. A session belongs to one thread; the store may be used from any.
#ifndef GATEWAY_SIMULATE_IMAP_SESSION_H_
#define GATEWAY_SIMULATE_IMAP_SESSION_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/text_server.h"

namespace gateway::simulate {

struct ImapMessage {
  std::uint32_t uid = 0;
  std::set<std::string> flags;
  std::string bytes;
  std::int64_t date_ms = 0;
};

struct ImapFolder {
  std::uint32_t uid_validity = 77;
  std::uint32_t uid_next = 1;
  std::vector<ImapMessage> messages;  // by uid
};

class ImapStore {
 public:
  // A user without any has an INBOX that is empty.
  void add_user(const std::string& user, const std::string& password);
  bool has_user(const std::string& user) const;
  std::uint32_t append(const std::string& user, std::string bytes, std::int64_t date_ms,
                       const std::string& name = "INBOX");
  // What a server does that has lost its state: all uids mean something else.
  void change_uid_validity(const std::string& user, std::uint32_t value,
                           const std::string& name = "INBOX");
  std::optional<ImapFolder> folder(const std::string& user,
                                   const std::string& name = "INBOX") const;

 private:
  friend class ImapSession;
  struct User {
    std::string password;
    std::map<std::string, ImapFolder> folders;
  };
  mutable std::mutex mutex_;
  std::map<std::string, User> users_;
};

class ImapSession final : public TextProtocol {
 public:
  ImapSession(ImapStore& store, bool offers_tls, bool in_tls);

  std::string greeting() override;
  std::string receive(std::string_view bytes) override;
  void secured() override { in_tls_ = true; }

 private:
  struct Arguments;
  std::string command(const std::string& text);
  std::string dispatch(const std::string& tag, const std::string& verb, Arguments& arguments,
                       bool by_uid);
  std::string authenticate(const std::string& tag, Arguments& arguments);
  std::string finish_login(const std::string& tag, const std::string& user,
                           const std::string& password);
  std::string select(const std::string& tag, Arguments& arguments, bool read_only);
  std::string status(const std::string& tag, Arguments& arguments);
  std::string list(const std::string& tag, Arguments& arguments);
  std::string append(const std::string& tag, Arguments& arguments);
  std::string search(const std::string& tag, Arguments& arguments, bool by_uid);
  std::string fetch(const std::string& tag, Arguments& arguments, bool by_uid);
  std::string store(const std::string& tag, Arguments& arguments, bool by_uid);
  std::string copy(const std::string& tag, Arguments& arguments, bool by_uid, bool move);
  std::string expunge(const std::string& tag, const std::string& uids);
  std::string capability() const;
  std::string changes();
  // The messages a set such as "1:3,7,9:*" names, as places in the folder.
  std::optional<std::vector<std::size_t>> places(std::string_view set, bool by_uid);
  ImapFolder* folder();

  ImapStore& store_;
  const bool offers_tls_;
  bool in_tls_;
  std::string buffer_;
  std::string pending_;      // of a command with literals
  std::size_t literal_ = 0;  // octets still to come
  std::string user_;
  std::string selected_;
  bool read_only_ = false;
  std::size_t known_ = 0;  // messages the client has been told of
  std::string auth_tag_;
  std::string auth_mechanism_;
  std::string auth_user_;
  std::string idle_tag_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_IMAP_SESSION_H_
