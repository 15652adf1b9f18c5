// The widget's own words. {n} is a number, so no sentence needs a plural.

export interface Words {
  open: string;
  close: string;
  back: string;
  chat: string;
  send: string;
  attach: string;
  remove: string;
  placeholder: string;
  messages: string;
  start: string;
  resume: string;
  online: string;
  away: string;
  elsewhere: string;
  you: string;
  assistant: string;
  agent: string;
  typing: string;
  sending: string;
  sent: string;
  delivered: string;
  read: string;
  failed: string;
  retry: string;
  discard: string;
  edited: string;
  removed: string;
  fresh: string;
  unread: string;
  earlier: string;
  offline: string;
  uploading: string;
  uploadFailed: string;
  tooLarge: string;
  tooMany: string;
  drop: string;
  pending: string;
  unavailable: string;
  rate: string;
  stars: string;
  comment: string;
  submit: string;
  thanks: string;
  closed: string;
}

const en: Words = {
  open: 'Open chat',
  close: 'Close chat',
  back: 'Back',
  chat: 'Chat',
  send: 'Send',
  attach: 'Attach files',
  remove: 'Remove {name}',
  placeholder: 'Write a message…',
  messages: 'Messages',
  start: 'Send us a message',
  resume: 'Continue the conversation',
  online: 'We are online',
  away: 'We will answer as soon as we can',
  elsewhere: 'Find us elsewhere',
  you: 'You',
  assistant: 'Assistant',
  agent: 'Support',
  typing: '{name} is typing',
  sending: 'Sending…',
  sent: 'Sent',
  delivered: 'Delivered',
  read: 'Seen',
  failed: 'Not sent',
  retry: 'Try again',
  discard: 'Discard',
  edited: 'edited',
  removed: 'This message was removed',
  fresh: 'New messages',
  unread: 'Unread messages: {n}',
  earlier: 'Show earlier messages',
  offline: 'No connection. Your messages will be sent when it is back.',
  uploading: 'Uploading',
  uploadFailed: 'Upload failed',
  tooLarge: 'Larger than {n} MB',
  tooMany: 'At most {n} files in one message',
  drop: 'Drop files to send them',
  pending: 'Being prepared…',
  unavailable: 'Not available',
  rate: 'How was this conversation?',
  stars: '{n} of 5',
  comment: 'What should we know? (optional)',
  submit: 'Send rating',
  thanks: 'Thank you for your feedback!',
  closed: 'This conversation has ended. Write to begin a new one.',
};

const es: Words = {
  open: 'Abrir el chat',
  close: 'Cerrar el chat',
  back: 'Atrás',
  chat: 'Chat',
  send: 'Enviar',
  attach: 'Adjuntar archivos',
  remove: 'Quitar {name}',
  placeholder: 'Escribe un mensaje…',
  messages: 'Mensajes',
  start: 'Envíanos un mensaje',
  resume: 'Continuar la conversación',
  online: 'Estamos en línea',
  away: 'Responderemos lo antes posible',
  elsewhere: 'También estamos aquí',
  you: 'Tú',
  assistant: 'Asistente',
  agent: 'Soporte',
  typing: '{name} está escribiendo',
  sending: 'Enviando…',
  sent: 'Enviado',
  delivered: 'Entregado',
  read: 'Visto',
  failed: 'No enviado',
  retry: 'Reintentar',
  discard: 'Descartar',
  edited: 'editado',
  removed: 'Este mensaje fue eliminado',
  fresh: 'Mensajes nuevos',
  unread: 'Mensajes sin leer: {n}',
  earlier: 'Mostrar mensajes anteriores',
  offline: 'Sin conexión. Tus mensajes se enviarán cuando vuelva.',
  uploading: 'Subiendo',
  uploadFailed: 'Error al subir',
  tooLarge: 'Más de {n} MB',
  tooMany: 'Como máximo {n} archivos por mensaje',
  drop: 'Suelta los archivos para enviarlos',
  pending: 'Preparando…',
  unavailable: 'No disponible',
  rate: '¿Qué tal esta conversación?',
  stars: '{n} de 5',
  comment: '¿Algo que debamos saber? (opcional)',
  submit: 'Enviar valoración',
  thanks: '¡Gracias por tu opinión!',
  closed: 'Esta conversación ha terminado. Escribe para empezar otra.',
};

const de: Words = {
  open: 'Chat öffnen',
  close: 'Chat schließen',
  back: 'Zurück',
  chat: 'Chat',
  send: 'Senden',
  attach: 'Dateien anhängen',
  remove: '{name} entfernen',
  placeholder: 'Nachricht schreiben…',
  messages: 'Nachrichten',
  start: 'Schreiben Sie uns',
  resume: 'Unterhaltung fortsetzen',
  online: 'Wir sind online',
  away: 'Wir antworten so bald wie möglich',
  elsewhere: 'Hier finden Sie uns auch',
  you: 'Sie',
  assistant: 'Assistent',
  agent: 'Support',
  typing: '{name} schreibt',
  sending: 'Wird gesendet…',
  sent: 'Gesendet',
  delivered: 'Zugestellt',
  read: 'Gelesen',
  failed: 'Nicht gesendet',
  retry: 'Erneut senden',
  discard: 'Verwerfen',
  edited: 'bearbeitet',
  removed: 'Diese Nachricht wurde entfernt',
  fresh: 'Neue Nachrichten',
  unread: 'Ungelesene Nachrichten: {n}',
  earlier: 'Frühere Nachrichten zeigen',
  offline: 'Keine Verbindung. Ihre Nachrichten werden gesendet, sobald sie wieder da ist.',
  uploading: 'Wird hochgeladen',
  uploadFailed: 'Hochladen fehlgeschlagen',
  tooLarge: 'Größer als {n} MB',
  tooMany: 'Höchstens {n} Dateien in einer Nachricht',
  drop: 'Dateien zum Senden hier ablegen',
  pending: 'Wird vorbereitet…',
  unavailable: 'Nicht verfügbar',
  rate: 'Wie war diese Unterhaltung?',
  stars: '{n} von 5',
  comment: 'Was sollten wir wissen? (freiwillig)',
  submit: 'Bewertung senden',
  thanks: 'Danke für Ihre Rückmeldung!',
  closed: 'Diese Unterhaltung ist beendet. Schreiben Sie, um eine neue zu beginnen.',
};

const fr: Words = {
  open: 'Ouvrir le chat',
  close: 'Fermer le chat',
  back: 'Retour',
  chat: 'Chat',
  send: 'Envoyer',
  attach: 'Joindre des fichiers',
  remove: 'Retirer {name}',
  placeholder: 'Écrivez un message…',
  messages: 'Messages',
  start: 'Envoyez-nous un message',
  resume: 'Reprendre la conversation',
  online: 'Nous sommes en ligne',
  away: 'Nous répondrons dès que possible',
  elsewhere: 'Retrouvez-nous ailleurs',
  you: 'Vous',
  assistant: 'Assistant',
  agent: 'Support',
  typing: '{name} écrit',
  sending: 'Envoi…',
  sent: 'Envoyé',
  delivered: 'Remis',
  read: 'Vu',
  failed: 'Non envoyé',
  retry: 'Réessayer',
  discard: 'Supprimer',
  edited: 'modifié',
  removed: 'Ce message a été supprimé',
  fresh: 'Nouveaux messages',
  unread: 'Messages non lus : {n}',
  earlier: 'Afficher les messages précédents',
  offline: 'Pas de connexion. Vos messages partiront dès son retour.',
  uploading: 'Téléversement',
  uploadFailed: 'Échec du téléversement',
  tooLarge: 'Plus de {n} Mo',
  tooMany: '{n} fichiers au maximum par message',
  drop: 'Déposez les fichiers pour les envoyer',
  pending: 'En préparation…',
  unavailable: 'Non disponible',
  rate: 'Comment était cette conversation ?',
  stars: '{n} sur 5',
  comment: 'Que devrions-nous savoir ? (facultatif)',
  submit: 'Envoyer la note',
  thanks: 'Merci pour votre avis !',
  closed: 'Cette conversation est terminée. Écrivez pour en commencer une autre.',
};

const pt: Words = {
  open: 'Abrir o chat',
  close: 'Fechar o chat',
  back: 'Voltar',
  chat: 'Chat',
  send: 'Enviar',
  attach: 'Anexar arquivos',
  remove: 'Remover {name}',
  placeholder: 'Escreva uma mensagem…',
  messages: 'Mensagens',
  start: 'Envie uma mensagem',
  resume: 'Continuar a conversa',
  online: 'Estamos online',
  away: 'Responderemos assim que possível',
  elsewhere: 'Também estamos aqui',
  you: 'Você',
  assistant: 'Assistente',
  agent: 'Suporte',
  typing: '{name} está escrevendo',
  sending: 'Enviando…',
  sent: 'Enviada',
  delivered: 'Entregue',
  read: 'Vista',
  failed: 'Não enviada',
  retry: 'Tentar de novo',
  discard: 'Descartar',
  edited: 'editada',
  removed: 'Esta mensagem foi removida',
  fresh: 'Novas mensagens',
  unread: 'Mensagens não lidas: {n}',
  earlier: 'Mostrar mensagens anteriores',
  offline: 'Sem conexão. Suas mensagens serão enviadas quando ela voltar.',
  uploading: 'Enviando arquivo',
  uploadFailed: 'Falha no envio',
  tooLarge: 'Maior que {n} MB',
  tooMany: 'No máximo {n} arquivos por mensagem',
  drop: 'Solte os arquivos para enviá-los',
  pending: 'Em preparação…',
  unavailable: 'Indisponível',
  rate: 'Como foi esta conversa?',
  stars: '{n} de 5',
  comment: 'O que devemos saber? (opcional)',
  submit: 'Enviar avaliação',
  thanks: 'Obrigado pela sua opinião!',
  closed: 'Esta conversa terminou. Escreva para começar outra.',
};

const ar: Words = {
  open: 'فتح المحادثة',
  close: 'إغلاق المحادثة',
  back: 'رجوع',
  chat: 'محادثة',
  send: 'إرسال',
  attach: 'إرفاق ملفات',
  remove: 'إزالة {name}',
  placeholder: 'اكتب رسالة…',
  messages: 'الرسائل',
  start: 'أرسل لنا رسالة',
  resume: 'متابعة المحادثة',
  online: 'نحن متصلون الآن',
  away: 'سنرد في أقرب وقت ممكن',
  elsewhere: 'تجدنا أيضًا هنا',
  you: 'أنت',
  assistant: 'المساعد',
  agent: 'الدعم',
  typing: '{name} يكتب الآن',
  sending: 'جارٍ الإرسال…',
  sent: 'أُرسلت',
  delivered: 'وصلت',
  read: 'قُرئت',
  failed: 'لم تُرسل',
  retry: 'إعادة المحاولة',
  discard: 'حذف',
  edited: 'معدّلة',
  removed: 'أُزيلت هذه الرسالة',
  fresh: 'رسائل جديدة',
  unread: 'رسائل غير مقروءة: {n}',
  earlier: 'عرض الرسائل السابقة',
  offline: 'لا يوجد اتصال. ستُرسل رسائلك عند عودته.',
  uploading: 'جارٍ الرفع',
  uploadFailed: 'فشل الرفع',
  tooLarge: 'أكبر من {n} ميغابايت',
  tooMany: '{n} ملفات كحد أقصى في الرسالة',
  drop: 'أفلت الملفات لإرسالها',
  pending: 'قيد التجهيز…',
  unavailable: 'غير متاح',
  rate: 'كيف كانت هذه المحادثة؟',
  stars: '{n} من 5',
  comment: 'ما الذي ينبغي أن نعرفه؟ (اختياري)',
  submit: 'إرسال التقييم',
  thanks: 'شكرًا على رأيك!',
  closed: 'انتهت هذه المحادثة. اكتب لبدء محادثة جديدة.',
};

export const kLocales: Record<string, Words> = { en, es, de, fr, pt, ar };

export interface Locale {
  tag: string; // for Intl: with its region, where it has one
  language: string;
  words: Words;
  rtl: boolean;
}

// The first of `wanted` whose language is known; English otherwise.
export function pickLocale(wanted: readonly unknown[]): Locale {
  for (const one of wanted) {
    if (typeof one !== 'string') continue;
    const tag = one.replace('_', '-');
    const language = tag.split('-')[0]!.toLowerCase();
    const words = Object.prototype.hasOwnProperty.call(kLocales, language) && kLocales[language];
    if (words) return { tag: isTag(tag) ? tag : language, language, words, rtl: language === 'ar' };
  }
  return { tag: 'en', language: 'en', words: en, rtl: false };
}

function isTag(tag: string): boolean {
  try {
    return !!Intl.getCanonicalLocales(tag);
  } catch {
    return false;
  }
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
