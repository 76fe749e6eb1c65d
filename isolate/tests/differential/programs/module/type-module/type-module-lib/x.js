console.log('imported', import.meta.url.split('/').pop());
