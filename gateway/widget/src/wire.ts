// What the gateway says to a visitor's browser, and what it is told: shapes only. docs/API.md is
// the contract; everything that arrives is read as if a stranger had written it.

export type SenderType = 'customer' | 'agent' | 'assistant' | 'system';

export interface Attachment {
  id?: string | null;
  type?: string;
  url?: string | null;
  content_type?: string | null;
  size?: number | null;
  name?: string | null;
  state?: 'pending' | 'ready' | 'failed';
}

export interface VisitorMessage {
  id: string;
  conversation_id?: string;
  content?: string | null;
  sender_type: SenderType;
  created_at: string;
  status?: string;
  attachments?: Attachment[];
  client_id?: string | null;
  sender_name?: string | null;
  edited_at?: string | null;
  deleted_at?: string | null;
}

export interface Conversation {
  id: string;
  status?: string;
  unread?: number;
  csat?: { score?: number } | null;
}

export interface ConversationPage {
  conversation: Conversation | null;
  messages: VisitorMessage[];
}

export interface Session {
  visitor_id: string;
  token: string;
  expires_at?: string;
  business_id: string;
  conversation_id?: string | null;
}

export interface Identity {
  user_id?: string;
  user_hash?: string;
  name?: string;
  email?: string;
}

export interface ChannelLink {
  type: string;
  url: string;
}

export interface Embed {
  kind: 'widget' | 'webchat';
  id: string;
  business_id: string;
  name?: string;
  online?: boolean;
  welcome_heading?: string;
  welcome_tagline?: string;
  primary_color?: string;
  show_online_badge?: boolean;
  logo_url?: string | null;
  config?: Record<string, unknown>;
  webchat?: Record<string, unknown>;
  channels?: ChannelLink[];
}
